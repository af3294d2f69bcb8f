"""SUSE and openSUSE, as their installer leaves them; and a system of which nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.unit.adaptation.trees.redhat import EL6
from tests.unit.adaptation.trees.shape import ROOT_UUID, SOURCE_MACS, SWAP_UUID, Shape

_SLES11_RELEASE: Final = "3.0.101-63-default"
SLES11: Final = Shape(
    name="sles-11",
    release=_SLES11_RELEASE,
    initrd_name="initrd-{}",
    has_boot=False,
    modules=("virtio", "virtio_ring", "virtio_pci", "virtio_blk", "virtio_net", "sd_mod", "ahci", "ext4", "jbd2"),
    files={
        "/etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
        "/boot/grub/menu.lst": (
            "# Modified by YaST2.\ndefault 0\ntimeout 8\ngfxmenu (hd0,1)/boot/message\n\n"
            "title SUSE Linux Enterprise Server 11 SP4\n    root (hd0,1)\n"
            f"    kernel /boot/vmlinuz-{_SLES11_RELEASE} root=/dev/disk/by-id/scsi-36000c29-part2 "
            "resume=/dev/disk/by-id/scsi-36000c29-part1 splash=silent showopts\n"
            f"    initrd /boot/initrd-{_SLES11_RELEASE}\n"
        ),
        **{path: content for path, content in EL6.files.items() if "stage" in path},
        "/etc/fstab": (
            "/dev/disk/by-id/scsi-36000c29-part2 /                    ext4       acl,user_xattr        1 1\n"
            f"UUID={SWAP_UUID} swap                 swap       defaults              0 0\n"
            "proc                 /proc                proc       defaults              0 0\n"
        ),
        "/etc/sysconfig/kernel": 'INITRD_MODULES="mptspi jbd ext3"\nDOMU_INITRD_MODULES=""\n',
        "/etc/sysconfig/bootloader": (
            'LOADER_TYPE="grub"\nDEFAULT_APPEND="resume=/dev/disk/by-id/scsi-36000c29-part1 splash=silent"\n'
        ),
        "/etc/sysconfig/network/ifcfg-eth0": (
            "BOOTPROTO='static'\nIPADDR='192.0.2.10/24'\nBROADCAST=''\nSTARTMODE='auto'\nUSERCONTROL='no'\n"
        ),
        "/etc/sysconfig/network/routes": "default 192.0.2.1 - -\n",
        "/etc/sysconfig/network/config": 'NETCONFIG_DNS_STATIC_SERVERS="192.0.2.53"\n',
        "/etc/udev/rules.d/70-persistent-net.rules": (
            f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{SOURCE_MACS[0]}", KERNEL=="eth*", NAME="eth0"\n'
        ),
        "/etc/inittab": "id:3:initdefault:\n#S0:12345:respawn:/sbin/agetty -L 9600 ttyS0 vt102\n",
        "/etc/securetty": "tty1\n",
    },
    programs=("/sbin/mkinitrd",),
)
_MENU: Final = """set default="${{saved_entry}}"
search --no-floppy --fs-uuid --set=root {root}
menuentry '{title}'  --class os $menuentry_id_option 'gnulinux-simple-{root}' {{
\tsearch --no-floppy --fs-uuid --set=root {root}
\tlinux{efi}\t/boot/vmlinuz-{release} root={device}  {arguments}
\tinitrd{efi}\t/boot/initrd-{release}
}}
### END /etc/grub.d/10_linux ###
"""


def _suse(name: str, release: str, os_release: str, *, title: str, compression: str) -> Shape:
    arguments = "resume=/dev/disk/by-id/scsi-36000c29-part1 splash=silent quiet showopts"
    device = "/dev/disk/by-id/scsi-36000c29-part2"
    return Shape(
        name=name,
        release=release,
        initrd_name="initrd-{}",
        has_boot=False,
        cards=("eth0",),
        compression=compression,
        usr="usr/",
        files={
            "/etc/os-release": os_release,
            "/boot/grub2/grub.cfg": _MENU.format(
                root=ROOT_UUID, title=title, release=release, efi="", device=device, arguments=arguments
            ),
            "/etc/default/grub": (
                f'GRUB_DEFAULT=saved\nGRUB_CMDLINE_LINUX_DEFAULT="{arguments}"\nGRUB_CMDLINE_LINUX=""\n'
            ),
            "/etc/default/grub_installdevice": "/dev/disk/by-id/scsi-36000c29\n",
            "/etc/sysconfig/bootloader": 'LOADER_TYPE="grub2"\n',
            "/usr/share/grub2/i386-pc/boot.img": b"\xebc\x90" + bytes(509),
            "/usr/share/grub2/i386-pc/ext2.mod": b"module",
            "/etc/fstab": f"{device}  /  ext4  acl,user_xattr  0  1\nUUID={SWAP_UUID}  swap  swap  defaults  0  0\n",
            "/etc/sysconfig/network/ifcfg-eth0": (
                "BOOTPROTO='static'\nSTARTMODE='auto'\nIPADDR='192.0.2.10/24'\nLLADDR=''\nZONE=''\n"
            ),
            "/etc/sysconfig/network/ifroute-eth0": "default 192.0.2.1 - eth0\n",
            "/etc/sysconfig/network/config": 'NETCONFIG_DNS_STATIC_SERVERS="192.0.2.53 192.0.2.54"\n',
            "/usr/bin/dracut": "#!/bin/bash\n# --no-hostonly-cmdline\n",
            "/usr/lib/systemd/network/99-default.link": "[Match]\n",
            "/usr/lib/systemd/system/serial-getty@.service": "[Unit]\n",
            "/etc/dracut.conf.d/readme": "",
        },
        programs=("/usr/bin/dracut", "/usr/lib/systemd/systemd", "/usr/sbin/grub2-mkconfig", "/usr/bin/grub2-mkimage"),
    )


SLES12: Final = _suse(
    "sles-12",
    "4.12.14-122.37-default",
    'ID="sles"\nVERSION_ID="12.5"\nPRETTY_NAME="SUSE Linux Enterprise Server 12 SP5"\n',
    title="SLES 12-SP5",
    compression="xz",
)
SLES15: Final = _suse(
    "sles-15",
    "5.14.21-150500.55.52-default",
    'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.5"\nPRETTY_NAME="SUSE Linux Enterprise Server 15 SP5"\n',
    title="SLES 15-SP5",
    compression="zstd",
)
LEAP: Final = _suse(
    "opensuse-leap-15",
    "6.4.0-150600.21-default",
    'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\n',
    title="openSUSE Leap 15.6",
    compression="lzma",
)
GENERIC: Final = Shape(
    name="generic",
    release="6.9.1-linux1",
    initrd_name="initrd-{}.img",
    has_boot=False,
    cards=("enp0s3",),
    compression="bzip2",
    files={
        "/etc/os-release": 'ID=slackish\nPRETTY_NAME="Slackish Linux"\n',
        "/boot/grub/grub.cfg": _MENU.format(
            root=ROOT_UUID, title="Slackish", release="6.9.1-linux1", efi="", device="/dev/sda1", arguments="ro"
        ).replace("initrd-6.9.1-linux1", "initrd-6.9.1-linux1.img"),
        "/usr/lib/grub/i386-pc/boot.img": b"\xebc\x90" + bytes(509),
        "/etc/fstab": "/dev/sda1 / ext4 defaults 1 1\n/dev/sda2 swap swap defaults 0 0\n",
        "/etc/systemd/network/20-wired.network": (
            "[Match]\nName=enp0s3\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n"
        ),
        "/usr/lib/systemd/network/99-default.link": "[Match]\n",
    },
    programs=("/usr/lib/systemd/systemd", "/usr/bin/grub-mkimage"),
)
# Its builder and its network files are none that are known.
ALT: Final = replace(
    GENERIC,
    name="alt-10",
    files={
        **{path: text for path, text in GENERIC.files.items() if "/etc/systemd" not in path},
        "/etc/os-release": 'ID=altlinux\nVERSION_ID=10.2\nPRETTY_NAME="ALT Server 10.2"\n',
        "/etc/initrd.mk": "AUTODETECT = all\n",
        "/etc/net/ifaces/enp0s3/options": "TYPE=eth\nBOOTPROTO=static\n",
        "/etc/net/ifaces/enp0s3/ipv4address": "192.0.2.10/24\n",
    },
    programs=(*GENERIC.programs, "/usr/sbin/make-initrd"),
)
SHAPES: Final = (SLES11, SLES12, SLES15, LEAP, GENERIC, ALT)
