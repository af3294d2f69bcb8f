"""Systems whose root lies on LVM on the target, too: the trees of other modules, with their own volume groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.unit.adaptation.trees.debian import DEBIAN12
from tests.unit.adaptation.trees.redhat import EL6, EL7, EL8, EL9
from tests.unit.adaptation.trees.shape import ROOT_UUID, VG_UUID

# As GRUB names the root volume of a shape with a group.
ROOT_VOLUME: Final = f"lvmid/{VG_UUID}/LLLLLL-aaaa-bbbb-cccc-dddd-eeee-000000"
_MENU: Final = f"""insmod lvm
set root='{ROOT_VOLUME}'
search --no-floppy --fs-uuid --set=root --hint='{ROOT_VOLUME}'  {ROOT_UUID}
menuentry 'Debian GNU/Linux' --class gnu-linux $menuentry_id_option 'gnulinux-simple-{ROOT_UUID}' {{
\tlinux\t/boot/vmlinuz-{DEBIAN12.release} root=/dev/mapper/source--vg-root ro  quiet
\tinitrd\t/boot/initrd.img-{DEBIAN12.release}
}}
### END /etc/grub.d/10_linux ###
"""

EL6_LVM: Final = replace(
    EL6,
    name="centos-6-lvm",
    group="VolGroup",
    volumes=("lv_root", "lv_swap"),
    modules=(*EL6.modules, "dm_mod"),
)
EL7_LVM: Final = replace(EL7, name="centos-7-lvm", group="centos")
EL8_LVM: Final = replace(EL8, name="rocky-8-lvm", group="rl")
EL9_LVM: Final = replace(EL9, name="almalinux-9-lvm", group="almalinux")
DEBIAN12_LVM: Final = replace(
    DEBIAN12,
    name="debian-12-lvm",
    group="source-vg",
    volumes=("root", "swap_1"),
    root_source="/dev/mapper/source--vg-root",
    files={
        **DEBIAN12.files,
        "/boot/grub/grub.cfg": _MENU,
        "/etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
        "/etc/fstab": (
            "/dev/mapper/source--vg-root / ext4 errors=remount-ro 0 1\n"
            "/dev/source-vg/swap_1 none swap sw 0 0\n"
            "/dev/source-vg/gone /srv ext4 defaults 0 2\n"
        ),
        "/etc/initramfs-tools/conf.d/resume": "RESUME=/dev/mapper/source--vg-swap_1\n",
    },
)

SHAPES: Final = (EL6_LVM, EL7_LVM, EL8_LVM, EL9_LVM, DEBIAN12_LVM)
