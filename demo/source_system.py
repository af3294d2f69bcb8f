"""Makes a plain Debian tree into the source server: its network, its users, its order service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from demo.sample_data import write_sample_data

HOST_NAME: Final = "order-server"
ROOT_UUID: Final = "6f0c2a54-3f0e-4d0b-9c5e-6f4f0a7d1b21"
SWAP_UUID: Final = "b3a1f2c8-57d2-4c3e-8a96-20c4f2d3e4a5"
DATA_UUID: Final = "d4e5a7b1-91c6-4f7a-b0d2-7c8e9fa0b1c2"
SERVICE_FOLDER: Final = Path(__file__).parent / "order_service"
_NOT_FOR_AN_HOUR_LONG_LIFE: Final = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "dpkg-db-backup.timer", "fstrim.timer",
    "e2scrub_reap.service",
)  # fmt: skip

_FILES: Final = {
    "etc/hostname": f"{HOST_NAME}\n",
    "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {HOST_NAME}\n::1 localhost ip6-localhost\n",
    # Without it every login leaves an error in the journal.
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
    "etc/fstab": (
        "# <file system> <mount point> <type> <options> <dump> <pass>\n"
        f"UUID={ROOT_UUID} /     ext4 errors=remount-ro 0 1\n"
        f"UUID={SWAP_UUID} none  swap sw                0 0\n"
        "LABEL=data /data xfs  defaults          0 0\n"
    ),
    "etc/systemd/network/10-wired.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=ipv4\n",
    "etc/ssh/sshd_config.d/demo.conf": "PermitRootLogin prohibit-password\nPasswordAuthentication no\n",
    "etc/default/grub": (
        'GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
        'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"\nGRUB_TERMINAL="console serial"\n'
        'GRUB_SERIAL_COMMAND="serial --speed=115200 --unit=0"\nGRUB_DISABLE_OS_PROBER=true\n'
    ),
}


def configure_source(root: Path, *, public_key: str) -> str:
    """Write everything that makes this server; both file systems are mounted. Returns its SSH host key."""
    for name, content in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    _accept_key(root, public_key)
    _install_order_service(root)
    write_sample_data(root)
    in_tree(root, "systemctl", "enable", "--quiet", "systemd-networkd.service", "order-service.service")
    in_tree(root, "systemctl", "disable", "--quiet", "systemd-networkd-wait-online.service")
    in_tree(root, "systemctl", "disable", "--quiet", *_NOT_FOR_AN_HOUR_LONG_LIFE)
    for path in (root / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    in_tree(root, "ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", "/etc/ssh/ssh_host_ed25519_key")
    return (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()


def in_tree(root: Path, *command: str) -> str:
    """Run a program of the tree in the tree. Raises RuntimeError with what it said."""
    argv = ["chroot", str(root), "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", *command]
    result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {root}: {result.stderr.strip()[-1000:]}")
    return result.stdout


def _accept_key(root: Path, public_key: str) -> None:
    folder = root / "root/.ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(public_key)
    (folder / "authorized_keys").chmod(0o600)


def _install_order_service(root: Path) -> None:
    in_tree(root, "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "orders")
    program = root / "opt/order-service"
    program.mkdir(parents=True)
    shutil.copyfile(SERVICE_FOLDER / "order_service.py", program / "order_service.py")
    shutil.copyfile(SERVICE_FOLDER / "order-service.service", root / "etc/systemd/system/order-service.service")
    (root / "data/orders").mkdir(mode=0o750)
    in_tree(root, "chown", "orders:orders", "/data/orders")
