"""Older and other distributions are told by the files that they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.source.inventory.boot_loader import parse_grubenv, read_boot_loader, version_key
from agents.source.inventory.mount_table import data_mounts, parse_mount_table
from agents.source.inventory.operating_system import read_operating_system
from agents.source.inventory.system_tree import SystemTree

MOUNTINFO = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
28 27 8:17 / /srv/deep/er/and/deeper/data\040disk rw,noatime - xfs /dev/sdb1 rw,attr2
29 27 0:50 / /mnt/share rw - nfs4 server:/export rw,vers=4.2
30 27 8:1 /srv /var/www rw - ext4 /dev/sda1 rw
31 27 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro
32 27 0:60 / /run rw - tmpfs tmpfs rw
33 27 8:33 / /mnt/old rw - ext4 /dev/sdc1 rw
34 27 8:34 / /mnt/old rw - ext4 /dev/sdc2 rw
35 27 0:61 /@ /pool rw - btrfs /dev/sdd rw
36 27 0:61 /@home /home rw - btrfs /dev/sdd rw
37 27 8:17 / /run/sms-roots-7-x/1 ro - xfs /dev/sdb1 rw
broken line
"""

RELEASES = [
    (
        {"etc/redhat-release": "CentOS release 6.10 (Final)\n", "etc/centos-release": "CentOS release 6.10 (Final)\n"},
        "centos",
        "6.10",
    ),
    (
        {
            "etc/os-release": 'ID="centos"\nVERSION_ID="7"\nVERSION="7 (Core)"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n',
            "etc/centos-release": "CentOS Linux release 7.9.2009 (Core)\n",
        },
        "centos",
        "7.9.2009",
    ),
    ({"etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"}, "sles", "11.4"),
    ({"etc/os-release": 'ID="sles"\nVERSION_ID="12.5"\nVERSION="12-SP5"\n'}, "sles", "12.5"),
    ({"etc/os-release": 'ID=ubuntu\nVERSION_ID="20.04"\nVERSION="20.04.6 LTS"\n'}, "ubuntu", "20.04.6"),
    ({"etc/debian_version": "6.0.10\n"}, "debian", "6.0.10"),
    ({"etc/os-release": "ID=debian\n", "etc/debian_version": "trixie/sid\n"}, "debian", ""),
    ({"etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=12.04\n"}, "ubuntu", "12.04"),
    (
        {"etc/os-release": 'ID="alinux"\nVERSION_ID="3"\nPRETTY_NAME="Alibaba Cloud Linux 3.2104 U10"\n'},
        "alinux",
        "3.2104",
    ),
    (
        {
            "etc/os-release": 'ID="rhel"\nVERSION_ID="8.5"\n',
            "etc/redhat-release": "Red Hat Enterprise Linux release 8.5\n",
        },
        "rhel",
        "8.5",
    ),
    ({}, "", ""),
]


def plant(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


@pytest.mark.parametrize(("files", "system_id", "version"), RELEASES)
def test_operating_system_is_told_with_its_most_exact_version(
    tmp_path: Path, files: dict[str, str], system_id: str, version: str
) -> None:
    plant(tmp_path, files)
    with SystemTree(tmp_path) as tree:
        found = read_operating_system(tree)
    assert (found.id, found.version) == (system_id, version)


def test_pseudo_file_systems_binds_and_covered_mounts_are_left_out() -> None:
    kept = data_mounts(parse_mount_table(MOUNTINFO), Path("/"))
    assert [(entry.mount_point, entry.source, entry.is_network) for entry in kept] == [
        ("/", "/dev/sda1", False),
        ("/home", "/dev/sdd", False),
        ("/pool", "/dev/sdd", False),
        ("/mnt/old", "/dev/sdc2", False),
        ("/mnt/share", "server:/export", True),
        ("/srv/deep/er/and/deeper/data disk", "/dev/sdb1", False),
    ]
    assert kept[0].options == ("rw", "relatime", "errors=remount-ro")


def test_legacy_grub_names_the_default_kernel_on_a_boot_partition(tmp_path: Path) -> None:
    config = (
        "default=1\ntimeout=5\ntitle CentOS (new)\n\tkernel /vmlinuz-2.6.32-754.el6.x86_64 ro root=/dev/sda2\n"
        "title CentOS (old)\n\tkernel /vmlinuz-2.6.32-71.el6.x86_64 ro root=/dev/sda2 rhgb\n"
        "title Other\n\tchainloader +1\n"
    )
    plant(tmp_path, {"boot/grub/grub.conf": config, "boot/vmlinuz-2.6.32-71.el6.x86_64": ""})
    with SystemTree(tmp_path) as tree:
        loader, arguments = read_boot_loader(tree)
    assert (loader.kind, loader.default_kernel) == ("grub_legacy", "/boot/vmlinuz-2.6.32-71.el6.x86_64")
    assert arguments == "ro root=/dev/sda2 rhgb"
    assert loader.other_systems == ("Other",)


def test_boot_loader_specification_entry_is_found_by_saved_entry(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "boot/grub2/grub.cfg": 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n',
            "boot/grub2/grubenv": "# GRUB Environment Block\nsaved_entry=old\nkernelopts=root=UUID=7 ro\n#####",
            "boot/loader/entries/old.conf": "title Old\nlinux /vmlinuz-4.18.0-80\noptions $kernelopts quiet\n",
            "boot/loader/entries/abc-4.18.0-305.conf": "title New\nlinux /vmlinuz-4.18.0-305\noptions $kernelopts\n",
            "boot/vmlinuz-4.18.0-80": "",
            "boot/vmlinuz-4.18.0-305": "",
        },
    )
    with SystemTree(tmp_path) as tree:
        loader, arguments = read_boot_loader(tree)
    assert loader.default_kernel == "/boot/vmlinuz-4.18.0-80"
    assert arguments == "root=UUID=7 ro quiet"


def test_versions_are_ordered_by_their_numbers() -> None:
    assert sorted(["5.10.0-21", "5.10.0-9", "6.1.0-1"], key=version_key) == ["5.10.0-9", "5.10.0-21", "6.1.0-1"]
    assert parse_grubenv("# x\na=b=c\n###") == {"a": "b=c"}
