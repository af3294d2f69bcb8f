"""Volume groups on real loop devices: what LVM's own tools and our own reader say of what was made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from agents.source.inventory.block_devices import image_disk
from agents.source.inventory.disks import read_disk
from agents.source.inventory.stacked import read_volume_groups
from agents.target.disks import PreparedDisks
from agents.target.disks.joined import joined_table
from agents.target.disks.loop import LoopDevice
from contracts.inventory import (
    Disk,
    FileSystem,
    LogicalVolume,
    Mount,
    OperatingSystem,
    Partition,
    PhysicalVolume,
    SourceInventory,
    VolumeGroup,
)
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from services.task.domain.layout import plan_layout
from tests.private_namespace import in_private_namespace

pytestmark = pytest.mark.root
MIB = 1 << 20
EXTENT = 4 * MIB
NAMES = {"root": 120, "var-log": 60, "swap": 40}


def identifier(digit: int) -> str:
    return f"AbCdEf-1234-1234-1234-1234-1234-{digit:06}"


def file_system(name: str) -> FileSystem:
    kind = "swap" if name == "swap" else "ext4"
    return FileSystem(kind=kind, uuid=f"6d2f1c3e-1111-4222-8333-{sum(name.encode()):012}")


def source(start_bytes: int = MIB) -> SourceInventory:
    """A group with a hyphen in its name over a partition and a whole disk; every extent of the first is in use."""
    size = start_bytes + 160 * MIB
    partitions = (
        Partition(
            number=1, name="sda1", start_bytes=MIB, size_bytes=40 * MIB, type_id="83", file_system=file_system("boot")
        ),
        Partition(number=2, name="sda2", start_bytes=41 * MIB, size_bytes=size, type_id="8e"),
    )
    disks = (
        Disk(
            name="sda",
            device="/dev/sda",
            size_bytes=256 * MIB,
            table="mbr",
            identifier="0badcafe",
            partitions=partitions,
        ),
        Disk(name="sdb", device="/dev/sdb", size_bytes=96 * MIB),
    )
    group = VolumeGroup(
        name="my-group",
        size_bytes=224 * MIB,
        uuid=identifier(1),
        extent_bytes=EXTENT,
        physical_volumes=(
            PhysicalVolume(volume="sda2", uuid=identifier(2), size_bytes=size, data_start_bytes=start_bytes),
            PhysicalVolume(volume="sdb", uuid=identifier(3), size_bytes=96 * MIB, data_start_bytes=MIB),
        ),
        logical_volumes=tuple(
            LogicalVolume(name=name, size_bytes=size * MIB, uuid=identifier(10 + size), file_system=file_system(name))
            for name, size in NAMES.items()
        ),
    )
    points = {"/": "my-group/root", "/boot": "sda1", "/var/log": "my-group/var-log"}
    return SourceInventory(
        hostname="source",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(),
        disks=disks,
        mounts=tuple(
            Mount(mount_point=point, host_path=point, kind="ext4", volume=volume) for point, volume in points.items()
        ),
        volume_groups=(group,),
    )


def attached(folder: Path, plan: TargetLayout) -> list[AttachedDisk]:
    found = []
    for disk in plan.disks:
        path = folder / f"{disk.name}.img"
        with path.open("wb") as file:
            file.truncate(disk.size_bytes)
        found.append(AttachedDisk(name=disk.name, path=str(path)))
    return found


def seen_by_lvm(devices: list[Path]) -> dict[str, tuple[str, str]]:
    """Of each logical volume the group's UUID and its own, and what is wrong with the group."""
    accepted = " ".join(f'"a|^{device}$|",' for device in devices)
    config = f'devices {{ filter = [{accepted} "r|.*|"] use_devicesfile = 0 }} global {{ use_lvmpolld = 0 }}'
    columns = ["--reportformat", "json", "-o", "vg_name,vg_uuid,lv_name,lv_uuid,lv_size,vg_missing_pv_count"]
    command = ["lvs", "--config", config, "--units", "b", "--nosuffix", *columns]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["report"][0]["lv"]
    subprocess.run(["vgck", "--config", config, rows[0]["vg_name"]], check=True)
    assert {row["vg_missing_pv_count"] for row in rows} == {"0"}
    return {row["lv_name"]: (row["lv_uuid"], row["lv_size"]) for row in rows}


@pytest.mark.parametrize("start_bytes", [MIB, 192 * 1024], ids=["usual", "of old tools"])
@in_private_namespace
def test_group_is_made_with_the_sources_names_uuids_and_sizes(tmp_path: Path, start_bytes: int) -> None:
    inventory = source(start_bytes)
    plan = plan_layout(inventory)
    images = attached(tmp_path, plan)
    disks = PreparedDisks(tmp_path / "work")
    disks.attach(images)
    disks.partition_and_format(plan)
    for index, folder in disks.mount_volumes(plan).items():
        (folder / f"file-{index}").write_text("content")
    disks.unmount()
    tree = disks.mount_tree(plan)
    assert [(tree / name).read_text() for name in ("file-0", "boot/file-1", "var/log/file-2")] == ["content"] * 3
    disks.unmount()
    assert disks.check_file_systems(plan) == {}
    disks.detach()
    read = [read_disk(disk) for each in images if (disk := image_disk(each.path, each.name)) is not None]
    (group,) = read_volume_groups({disk.name: disk for disk in read}, (), ())
    (wanted,) = inventory.volume_groups
    assert (group.name, group.uuid, group.extent_bytes) == (wanted.name, wanted.uuid, wanted.extent_bytes)
    assert [(one.uuid, one.data_start_bytes) for one in group.physical_volumes] == [
        (one.uuid, one.data_start_bytes) for one in wanted.physical_volumes
    ]
    assert [one.volume for one in group.physical_volumes] == ["vda2", "vdb"]
    expected = {one.name: (one.uuid, str(one.size_bytes)) for one in wanted.logical_volumes}
    assert {one.name: (one.uuid, str(one.size_bytes)) for one in group.logical_volumes} == expected
    part = plan.disks[0].partitions[1]
    first = LoopDevice(Path(images[0].path), offset_bytes=part.start_bytes, size_bytes=part.size_bytes)
    with first, LoopDevice(Path(images[1].path)) as second:
        assert seen_by_lvm([first.path, second.path]) == expected


@in_private_namespace
def test_two_groups_of_one_name_are_worked_on_at_the_same_time_and_formatted_twice(tmp_path: Path) -> None:
    plan = plan_layout(source())
    sets = []
    for name in ("replica", "layer"):
        (tmp_path / name).mkdir()
        disks = PreparedDisks(tmp_path / name / "work")
        disks.attach(attached(tmp_path / name, plan))
        disks.partition_and_format(plan)
        disks.partition_and_format(plan)
        (disks.mount_tree(plan) / "name").write_text(name)
        sets.append(disks)
    assert [(disks.mount_tree(plan) / "name").read_text() for disks in sets] == ["replica", "layer"]
    for disks in sets:
        disks.detach()
    assert str(tmp_path) not in subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout


def test_pieces_are_joined_one_behind_the_other(tmp_path: Path) -> None:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(8 * MIB)
    with LoopDevice(path, size_bytes=4 * MIB) as one, LoopDevice(path, offset_bytes=6 * MIB) as two:
        table = joined_table([(one, 4 * MIB), (two, 2 * MIB)])
    assert table == f"0 8192 linear {one.path} 0\n8192 4096 linear {two.path} 0\n"
