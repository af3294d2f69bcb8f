"""Debian and Ubuntu, as installers and clouds leave them."""

from __future__ import annotations

from typing import Final

from tests.unit.adaptation.trees.redhat import environment
from tests.unit.adaptation.trees.shape import ROOT_UUID, SOURCE_MACS, SWAP_UUID, Shape

_MENU: Final = """set default="0"
search --no-floppy --fs-uuid --set=root {root}
menuentry '{title}' --class gnu-linux $menuentry_id_option 'gnulinux-simple-{root}' {{
\tsearch --no-floppy --fs-uuid --set=root {root}
\tlinux\t/boot/vmlinuz-{release} root=UUID={root} ro  {arguments}
\tinitrd\t/boot/initrd.img-{release}
}}
### END /etc/grub.d/10_linux ###
"""
_FSTAB: Final = f"""# /etc/fstab: static file system information.
UUID={ROOT_UUID} /               ext4    errors=remount-ro 0       1
/dev/sda2       none            swap    sw              0       0
nas.example:/export /srv/share nfs ro 0 0
"""
_INTERFACES: Final = """auto lo
iface lo inet loopback

auto {card}
iface {card} inet static
\taddress 192.0.2.10
\tnetmask 255.255.255.0
\tgateway 192.0.2.1
\tdns-nameservers 192.0.2.53
"""
_MKCONFIG: Final = "#!/bin/sh\nfor x in ${sysconfdir}/default/grub.d/*.cfg ; do :; done # /etc/default/grub.d/\n"
_GRUB: Final = {
    "/usr/lib/grub/i386-pc/boot.img": b"\xebc\x90" + bytes(509),
    "/usr/lib/grub/i386-pc/ext2.mod": b"module",
    "/usr/sbin/grub-mkconfig": _MKCONFIG,
}
_PROGRAMS: Final = ("/usr/sbin/grub-mkconfig", "/usr/bin/grub-mkimage")


def _debian(name: str, release: str, version: str, *, title: str, **more: object) -> Shape:
    files = {
        **_GRUB,
        "/etc/debian_version": f"{version}\n",
        "/etc/fstab": _FSTAB,
        "/etc/default/grub": (
            'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet resume=/dev/sda2"\nGRUB_CMDLINE_LINUX=""\n'
        ),
        "/boot/grub/grub.cfg": _MENU.format(root=ROOT_UUID, title=title, release=release, arguments="quiet"),
        "/usr/share/fixture/grub.cfg": _MENU.format(
            root=ROOT_UUID, title=title, release=release, arguments="quiet console=tty0 console=ttyS0,115200n8"
        ),
        "/etc/initramfs-tools/modules": "# List of modules\n",
        "/etc/initramfs-tools/conf.d/resume": "RESUME=/dev/sda2\n",
        "/var/lib/initramfs-tools/readme": "",
        "/var/lib/dpkg/status": "",
    }
    extra = more.pop("files", {})
    assert isinstance(extra, dict)
    fields = {"has_boot": False, "programs": (*_PROGRAMS, "/usr/sbin/mkinitramfs"), **more}
    return Shape(name=name, release=release, initrd_name="initrd.img-{}", files={**files, **extra}, **fields)


DEBIAN7: Final = _debian(
    "debian-7",
    "3.2.0-4-amd64",
    "7.11",
    title="Debian GNU/Linux",
    modules=("virtio", "virtio_ring", "virtio_pci", "virtio_blk", "virtio_net", "sd_mod", "ahci", "ext4", "jbd2"),
    files={
        "/etc/network/interfaces": _INTERFACES.format(card="eth0"),
        "/etc/udev/rules.d/70-persistent-net.rules": (
            f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{SOURCE_MACS[0]}", NAME="eth0"\n'
        ),
        "/etc/inittab": "id:2:initdefault:\n1:2345:respawn:/sbin/getty 38400 tty1\n",
        "/etc/securetty": "console\ntty1\nttyS0\n",
    },
)
DEBIAN12: Final = _debian(
    "debian-12",
    "6.1.0-21-amd64",
    "12.5",
    title="Debian GNU/Linux",
    cards=("ens192",),
    microcode=True,
    compression="zstd",
    usr="usr/",
    files={
        "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "/etc/network/interfaces": _INTERFACES.format(card="ens192"),
        "/lib/systemd/network/99-default.link": "[Match]\n",
        "/lib/systemd/system/serial-getty@.service": "[Unit]\n",
        "/lib/systemd/system/open-vm-tools.service": "[Unit]\n",
        "/boot/grub/grubenv": environment(next_entry="2"),
    },
    programs=(*_PROGRAMS, "/usr/sbin/mkinitramfs", "/lib/systemd/systemd"),
)
UBUNTU14: Final = _debian(
    "ubuntu-14.04",
    "3.13.0-170-generic",
    "jessie/sid",
    title="Ubuntu",
    files={
        "/etc/os-release": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="14.04"\nPRETTY_NAME="Ubuntu 14.04.6 LTS"\n',
        "/etc/network/interfaces": "auto lo\niface lo inet loopback\nsource /etc/network/interfaces.d/*.cfg\n",
        "/etc/network/interfaces.d/eth0.cfg": "auto eth0\niface eth0 inet dhcp\n",
        "/etc/cloud/cloud.cfg": "datasource_list: [ Azure ]\n",
        "/etc/init/cloud-init.conf": "start on mounted MOUNTPOINT=/\n",
        "/etc/init/walinuxagent.conf": "start on runlevel [2345]\n",
        "/etc/udev/rules.d/70-persistent-net.rules": (
            f'SUBSYSTEM=="net", ATTR{{address}}=="{SOURCE_MACS[0]}", NAME="eth0"\n'
        ),
    },
)
UBUNTU22: Final = _debian(
    "ubuntu-22.04",
    "5.15.0-105-generic",
    "bookworm/sid",
    title="Ubuntu",
    cards=("eth0",),
    compression="lz4",
    microcode=True,
    usr="usr/",
    module_suffix="",
    files={
        "/etc/os-release": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
        "/etc/default/grub.d/50-cloudimg-settings.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=hvc0"\n',
        "/etc/netplan/50-cloud-init.yaml": (
            "network:\n    ethernets:\n        eth0:\n            dhcp4: true\n            match:\n"
            f"                macaddress: {SOURCE_MACS[0]}\n            set-name: eth0\n    version: 2\n"
        ),
        "/etc/cloud/cloud.cfg.d/90-azure.cfg": "datasource_list: [ Azure ]\n",
        "/lib/systemd/network/99-default.link": "[Match]\n",
        "/lib/systemd/system/serial-getty@.service": "[Unit]\n",
        "/lib/systemd/system/walinuxagent.service": "[Unit]\n",
        "/etc/fstab": f"UUID={ROOT_UUID}\t/\text4\tdefaults,discard\t0 1\nUUID={SWAP_UUID} none swap sw 0 0\n",
    },
    programs=(*_PROGRAMS, "/usr/sbin/mkinitramfs", "/lib/systemd/systemd"),
)
SHAPES: Final = (DEBIAN7, DEBIAN12, UBUNTU14, UBUNTU22)
