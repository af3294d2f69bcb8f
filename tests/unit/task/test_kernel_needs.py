"""What a plan needs of the kernel under its helper."""

from __future__ import annotations

import pytest

from contracts.inventory import FileSystem, OperatingSystem
from contracts.layout import TargetDisk, TargetLayout, TargetPartition
from services.task.domain.kernel_needs import kernel_needs
from tests.unit.task.saga_world import new_task


def layout(*file_systems: FileSystem) -> TargetLayout:
    partitions = tuple(
        TargetPartition(number=number, start_bytes=number << 20, size_bytes=1 << 20, type_id="83", format_as=each)
        for number, each in enumerate(file_systems, start=1)
    )
    disk = TargetDisk(name="vda", size_bytes=1 << 30, table="mbr", partitions=partitions)
    return TargetLayout(firmware="BIOS", disks=(disk,), volumes=())


def test_what_is_mounted_is_needed_and_what_tools_write_is_not() -> None:
    made = layout(FileSystem(kind="ext4"), FileSystem(kind="vfat"), FileSystem(kind="swap"), FileSystem(kind="btrfs"))
    assert kernel_needs(made, new_task().inventory) == ("btrfs", "ext4")


def test_xfs_without_checksums_is_another_need() -> None:
    old, new = FileSystem(kind="xfs", features=("ftype",)), FileSystem(kind="xfs", features=("crc", "ftype"))
    assert kernel_needs(layout(old), new_task().inventory) == ("xfs", "xfs-v4")
    assert kernel_needs(layout(new, FileSystem(kind="xfs")), new_task().inventory) == ("xfs",)


@pytest.mark.parametrize(
    ("system", "version", "is_old"),
    [("centos", "6", True), ("rhel", "7.9", False), ("debian", "7", True), ("debian", "12", False), ("", "", False)],
)
def test_old_user_lands_need_the_page_of_old_kernels(system: str, version: str, *, is_old: bool) -> None:
    inventory = new_task().inventory.model_copy(
        update={"operating_system": OperatingSystem(id=system, version_id=version)}
    )
    assert ("vsyscall" in kernel_needs(layout(), inventory)) is is_old
