"""Debian 12 servers whose root lies on LVM or on a mirror of md, made in a virtual machine and kept in the cache.

What any kernel can do (unpack, configure, build the initramfs) is done here; the layers, their file systems and
GRUB's installation need a kernel with device-mapper and md, and are made there (maker_vm.py).
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.messages.agent import AttachedDisk
from demo.cache import cache_folder, one_builder, recipe_digest
from demo.debian_tree import debian_tree_tarball, unpack_tree
from demo.loop_device import mounted
from demo.source_system import in_tree
from tests.debian_tree import prepare_login
from tests.e2e.maker_vm import run_in_guest

MIB: Final = 1 << 20
PACKAGES: Final = (
    *("dbus", "grub-pc", "initramfs-tools", "iproute2", "linux-image-cloud-amd64", "lvm2", "mdadm", "systemd-sysv"),
    *("udev", "xfsprogs", "zstd"),
)
BOOT_UUID: Final = "5f0c2a54-3f0e-4d0b-9c5e-000000000001"
ROOT_UUID: Final = "5f0c2a54-3f0e-4d0b-9c5e-000000000002"
SWAP_UUID: Final = "5f0c2a54-3f0e-4d0b-9c5e-000000000003"
SRV_UUID: Final = "5f0c2a54-3f0e-4d0b-9c5e-000000000004"
ROOT_ARRAY: Final = "5f0c2a54:3f0e4d0b:9c5e0000:00000011"
SWAP_ARRAY: Final = "5f0c2a54:3f0e4d0b:9c5e0000:00000012"
_MAKING_TIMEOUT_S: Final = 900
_FILES: Final = {
    "etc/default/grub": (
        'GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=""\n'
        'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"\nGRUB_DISABLE_OS_PROBER=true\n'
    ),
    "etc/systemd/network/10-wired.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=ipv4\n",
    "etc/systemd/system/what-is-there.service": (
        "[Unit]\nAfter=local-fs.target swap.target\nBefore=systemd-user-sessions.service\n\n"
        "[Service]\nType=oneshot\nExecStart=/usr/local/sbin/what-is-there\n\n[Install]\nWantedBy=multi-user.target\n"
    ),
    "usr/local/sbin/what-is-there": (
        "#!/bin/sh\n"
        "# Says on the console what the system has come up with.\n"
        "cd /srv/data && sha256sum --quiet --check ../SUMS && data=whole\n"
        "{\n"
        '    echo "layers: root on $(findmnt -no SOURCE /)"\n'
        '    echo "layers: swap on $(readlink -f "$(swapon --noheadings --raw --show=NAME)")"\n'
        "    echo \"layers: $(cat /proc/mdstat | grep -c '\\[UU\\]') whole mirrors\"\n"
        '    echo "layers: data ${data:-damaged}"\n'
        "} >/dev/console 2>&1\n"
    ),
}
_INSTALL: Final = r"""
tar -C /target --numeric-owner --xattrs '--xattrs-include=*' -xpf "$(disk tree)"
mount --bind /dev /target/dev
mount -t proc proc /target/proc
mount -t sysfs sys /target/sys
mount -t tmpfs tmpfs /target/run
# Its own configuration would wait for a udev that does not run.
mkdir /target/run/lvm-of-the-maker
cp /etc/lvm/lvm.conf /target/run/lvm-of-the-maker
in_target() { chroot /target env LVM_SYSTEM_DIR=/run/lvm-of-the-maker "$@"; }
for name in $systems; do in_target grub-install --target=i386-pc "$(disk "$name")"; done
in_target update-grub
grep -q "$root_argument" /target/boot/grub/grub.cfg
umount --recursive /target
"""


@dataclass(frozen=True, kw_only=True)
class LayeredSource:
    """disk_bytes: by the disks' names. files: what this layout has in /etc. making: shell that makes the layers and
    mounts them at /target; finish: takes them apart. says: the lines of the console by which the server is known, and
    target_says those of its target. helper: which one this host's kernel makes necessary."""

    name: str
    disk_bytes: Mapping[str, int]
    files: Mapping[str, str]
    making: str
    finish: str
    says: tuple[str, ...]
    target_says: tuple[str, ...]
    helper: str


_ON_LVM: Final = ("layers: root on /dev/mapper/source--vg-root", "layers: swap on /dev/dm-", "layers: data whole")
LVM: Final = LayeredSource(
    name="lvm",
    disk_bytes={"vda": 1408 * MIB, "vdb": 384 * MIB},
    files={
        "etc/fstab": (
            "/dev/mapper/source--vg-root / ext4 errors=remount-ro 0 1\n"
            f"UUID={BOOT_UUID} /boot ext2 defaults 0 2\n"
            "/dev/mapper/source--vg-srv /srv xfs defaults 0 0\n"
            "/dev/mapper/source--vg-swap_1 none swap sw 0 0\n"
        ),
        "etc/initramfs-tools/conf.d/resume": "RESUME=/dev/mapper/source--vg-swap_1\n",
    },
    making=f"""
systems=vda
root_argument=root=/dev/mapper/source--vg-root
system=$(disk vda) added=$(disk vdb)
printf 'label: dos\\nlabel-id: 0x5d0b7c21\\nsize=200MiB, type=83, bootable\\ntype=8e\\n' | sfdisk --quiet "$system"
pvcreate --yes "${{system}}2" "$added"
vgcreate source-vg "${{system}}2" "$added"
lvcreate --yes --name root --size 1000m source-vg "${{system}}2"
lvcreate --yes --name swap_1 --size 128m source-vg "${{system}}2"
# Larger than what either disk has free: it stays in two segments on the target, which takes device-mapper.
lvcreate --yes --name srv --extents 100%FREE source-vg
mkfs.ext2 -q -U {BOOT_UUID} "${{system}}1"
mkfs.ext4 -q -U {ROOT_UUID} /dev/source-vg/root
mkswap --quiet -U {SWAP_UUID} /dev/source-vg/swap_1
mkfs.xfs -q -m uuid={SRV_UUID} /dev/source-vg/srv
mkdir /target
mount /dev/source-vg/root /target
mkdir /target/boot /target/srv
mount "${{system}}1" /target/boot
mount /dev/source-vg/srv /target/srv
""",
    finish="vgchange --activate n source-vg\n",
    says=_ON_LVM,
    target_says=_ON_LVM,
    helper="vm",
)
RAID1: Final = LayeredSource(
    name="raid1",
    disk_bytes={"vda": 1280 * MIB, "vdb": 1280 * MIB},
    files={
        "etc/fstab": f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\nUUID={SWAP_UUID} none swap sw 0 0\n",
        "etc/initramfs-tools/conf.d/resume": f"RESUME=UUID={SWAP_UUID}\n",
        "etc/mdadm/mdadm.conf": (
            "HOMEHOST <system>\nMAILADDR root\n"
            f"ARRAY /dev/md/0 metadata=1.2 UUID={ROOT_ARRAY} name=source:0\n"
            f"ARRAY /dev/md/1 metadata=1.2 UUID={SWAP_ARRAY} name=source:1\n"
        ),
    },
    making=f"""
systems='vda vdb'
root_argument=root=UUID={ROOT_UUID}
export MDADM_NO_UDEV=1
first=$(disk vda) second=$(disk vdb)
for system in "$first" "$second"; do
    printf 'label: dos\\nsize=1128MiB, type=fd, bootable\\ntype=fd\\n' | sfdisk --quiet "$system"
done
create() {{
    mdadm --create "/dev/md$1" --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean --homehost=source \\
        --name="$1" --uuid="$2" "$first$3" "$second$3"
}}
create 0 {ROOT_ARRAY} 1
create 1 {SWAP_ARRAY} 2
mkfs.ext4 -q -U {ROOT_UUID} /dev/md0
mkswap --quiet -U {SWAP_UUID} /dev/md1
mkdir -p /target /dev/disk/by-uuid
ln -s ../../md0 /dev/disk/by-uuid/{ROOT_UUID}
mount /dev/md0 /target
""",
    finish="mdadm --stop /dev/md0 /dev/md1\n",
    says=("layers: root on /dev/md0", "layers: swap on /dev/md1", "layers: 2 whole mirrors", "layers: data whole"),
    # A provider's disks are redundant by themselves: what an array held lies on plain partitions.
    target_says=(
        "layers: root on /dev/vda1",
        "layers: swap on /dev/vda2",
        "layers: 0 whole mirrors",
        "layers: data whole",
    ),
    helper="process",
)


def layered_disks(source: LayeredSource, helper_image: Path, folder: Path) -> list[AttachedDisk]:
    """Its disks as layers in this folder over the cached images, which are made first when they are not there."""
    cached = _made(source, helper_image)
    disks = []
    for name in source.disk_bytes:
        layer = folder / f"source-{name}.qcow2"
        backing = ["-F", "raw", "-b", str(cached / f"{name}.raw")]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(layer)], check=True)
        disks.append(AttachedDisk(name=name, path=str(layer), format="qcow2"))
    return disks


def _made(source: LayeredSource, helper_image: Path) -> Path:
    tarball = debian_tree_tarball("bookworm", PACKAGES)
    here = Path(__file__).parent
    digest = recipe_digest(source.name, here / "layered_sources.py", here / "maker_vm.py", tarball.name)
    folder = cache_folder() / f"source-{source.name}-{digest}"
    with one_builder(folder.name):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="source-build-") as work:
                _make(source, tarball, helper_image, Path(work))
                (Path(work) / "disks").rename(folder)
    return folder


def _make(source: LayeredSource, tarball: Path, helper_image: Path, work: Path) -> None:
    root, packed, disks = work / "root", work / "tree.tar", work / "disks"
    root.mkdir()
    disks.mkdir()
    unpack_tree(tarball, root)
    _configure(root, source)
    pack = ["tar", "-C", str(root), "--numeric-owner", "--xattrs", "--xattrs-include=*", "-cf", str(packed), "."]
    subprocess.run(pack, check=True)
    images = {name: disks / f"{name}.raw" for name in source.disk_bytes}
    for name, image in images.items():
        with image.open("wb") as file:
            file.truncate(source.disk_bytes[name])
    script = source.making + _INSTALL + source.finish
    run_in_guest(script, images | {"tree": packed}, image=helper_image, folder=work, timeout_s=_MAKING_TIMEOUT_S)


def _configure(root: Path, source: LayeredSource) -> None:
    prepare_login(root, "source")
    for name, content in (*_FILES.items(), *source.files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "usr/local/sbin/what-is-there").chmod(0o755)
    _write_data(root / "srv")
    in_tree(root, "systemctl", "enable", "--quiet", "systemd-networkd.service", "what-is-there.service")
    in_tree(root, "systemctl", "disable", "--quiet", "systemd-networkd-wait-online.service")
    with mounted("proc", root / "proc", "-t", "proc"):
        in_tree(root, "update-initramfs", "-u", "-k", "all")


def _write_data(folder: Path) -> None:
    """Files of many sizes, and the sums by which a system that has started checks them itself."""
    chance, sums = random.Random(20261126), []
    (folder / "data").mkdir()
    for number in range(200):
        content = chance.randbytes(chance.randrange(1, 400_000))
        (folder / f"data/{number:03}.bin").write_bytes(content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {number:03}.bin\n")
    (folder / "SUMS").write_text("".join(sums))
