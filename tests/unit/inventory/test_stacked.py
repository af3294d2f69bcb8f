"""Arrays and logical volumes as sysfs tells of them, in trees of files such as a kernel shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.source.inventory.block_devices import logical_volume_name, place_of_folder
from agents.source.inventory.mount_table import MountEntry
from agents.source.inventory.mounts import PlacedMount, describe_mount
from agents.source.inventory.stacked import read_arrays
from contracts.inventory import Disk, FileSystem, Mount, Partition

MIB = 1 << 20
UUID = "11111111-2222-3333-4444-555555555555"


class Sys:
    """A folder like /sys, with disks of two partitions."""

    def __init__(self, root: Path, *disks: str) -> None:
        self.root = root
        self.devices = root / "devices"
        (root / "block").mkdir(parents=True)
        for disk in disks:
            self.device(disk, {"size": "40960"})
            for number, start in ((1, 2048), (2, 20480)):
                self.write(f"{disk}/{disk}{number}", {"size": "16384", "start": str(start), "partition": str(number)})

    def write(self, name: str, attributes: dict[str, str]) -> Path:
        folder = self.devices / name
        for path, text in attributes.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(f"{text}\n")
        return folder

    def device(self, name: str, attributes: dict[str, str], *slaves: str) -> Path:
        folder = self.write(name, attributes)
        (folder / "slaves").mkdir(exist_ok=True)
        for slave in slaves:
            os.symlink(self.devices / slave, folder / "slaves" / slave.rpartition("/")[2])
        os.symlink(folder, self.root / "block" / name)
        return folder

    def array(self, name: str, level: str, *slaves: str) -> Path:
        attributes = {"size": "16000", "md/level": level, "md/metadata_version": "1.2"}
        return self.device(name, attributes, *slaves)

    def logical(self, number: int, name: str, uuid: str, *slaves: str) -> Path:
        return self.device(f"dm-{number}", {"size": "8192", "dm/name": name, "dm/uuid": uuid}, *slaves)


def disks(*names: str) -> dict[str, Disk]:
    member = FileSystem(kind="linux_raid_member", uuid=UUID, label="host:root")
    return {
        name: Disk(
            name=name,
            device=f"/dev/{name}",
            size_bytes=20 * MIB,
            table="mbr",
            partitions=tuple(
                Partition(
                    number=number, name=f"{name}{number}", start_bytes=start, size_bytes=8 * MIB, file_system=member
                )
                for number, start in ((1, MIB), (2, 10 * MIB))
            ),
        )
        for name in names
    }


def test_array_is_known_with_its_members_and_what_their_superblocks_say(tmp_path: Path) -> None:
    sys = Sys(tmp_path, "sda", "sdb")
    sys.array("md127", "raid1", "sda/sda1", "sdb/sdb1")
    sys.array("md0", "container", "sda/sda2")
    mounts = (Mount(mount_point="/", host_path="/", kind="ext4", volume="md127", used_bytes=5, free_bytes=6),)
    (array,) = read_arrays(disks("sda", "sdb"), mounts, tmp_path)
    assert (array.name, array.level, array.metadata, array.size_bytes) == ("md127", "raid1", "1.2", 16000 * 512)
    assert (array.uuid, array.label, array.members) == (UUID, "host:root", ("sda1", "sdb1"))
    assert array.file_system is not None
    assert (array.file_system.kind, array.file_system.used_bytes) == ("ext4", 5)
    assert not array.is_partitioned


def test_arrays_of_other_disks_and_with_partitions_are_told_apart(tmp_path: Path) -> None:
    sys = Sys(tmp_path, "sda", "sdb", "sdc")
    sys.array("md0", "raid1", "sdb/sdb1", "sdc/sdc1")
    whole = sys.array("md126", "raid1", "sda/sda1")
    (whole / "md126p1").mkdir()
    (array,) = read_arrays(disks("sda", "sdb"), (), tmp_path)
    assert (array.name, array.is_partitioned) == ("md126", True)


def described(folder: Path, source: str) -> Mount:
    entry = MountEntry(device="253:0", root="/", mount_point="/nowhere", options=("rw",), kind="xfs", source=source)
    placed = PlacedMount(entry=entry, host_path="/nowhere", place=place_of_folder(folder))
    return describe_mount(placed, Path("/"), disks("sda", "sdb"))


def test_mounts_name_the_logical_volume_or_array_behind_them(tmp_path: Path) -> None:
    sys = Sys(tmp_path, "sda", "sdb")
    array = sys.array("md0", "raid1", "sda/sda1", "sdb/sdb1")
    root = sys.logical(0, "my--vg-root", f"LVM-{'a' * 64}", "md0")
    crypt = sys.device("dm-1", {"size": "1", "dm/name": "luks-1", "dm/uuid": "CRYPT-LUKS1-x"}, "dm-0")
    inside = sys.write("md0/md0p1", {"size": "1", "start": "2048", "partition": "1"})
    found = [
        (mount.volume, mount.layers)
        for mount in (
            described(root, "/dev/mapper/my--vg-root"),
            described(array, "/dev/md0"),
            described(crypt, "/dev/mapper/luks-1"),
            described(inside, "/dev/md0p1"),
            described(sys.devices / "sda/sda2", "/dev/sda2"),
        )
    ]
    assert found == [
        ("my-vg/root", ("lvm", "raid")),
        ("md0", ("raid",)),
        ("", ("crypt", "lvm", "raid")),
        ("", ("raid",)),
        ("sda2", ()),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("centos-root", "centos/root"), ("my--vg-a--b", "my-vg/a-b"), ("a---b", "a-/b"), ("nothing", "")],
)
def test_names_of_the_device_mapper_are_taken_apart(name: str, expected: str) -> None:
    assert logical_volume_name(name) == expected
