"""Planning a target's disks from an inventory."""

from __future__ import annotations

import pytest

from contracts.errors import MigrationError
from contracts.inventory import Disk, FileSystem, Firmware, Mount, OperatingSystem, Partition, SourceInventory
from services.task.domain.layout import LayoutOptions, plan_layout
from services.task.domain.layout.options import GIB, MIB


def partition(number: int, start_mib: float, size_mib: int, holds: str = "ext4", **fields: object) -> Partition:
    values = {
        "number": number,
        "name": f"sda{number}",
        "start_bytes": int(start_mib * MIB),
        "size_bytes": size_mib * MIB,
        "type_id": "83",
        "part_uuid": f"1234abcd-{number:02x}",
        "file_system": FileSystem(kind=holds, uuid=f"uuid-{number}", features=("extent",)) if holds else None,
    }
    return Partition.model_validate(values | fields)


def disk(*partitions: Partition, name: str = "sda", size: int = 8 * GIB, **fields: object) -> Disk:
    values = {"name": name, "device": f"/dev/{name}", "size_bytes": size, "table": "mbr", "identifier": "1234abcd"}
    return Disk.model_validate(values | {"partitions": partitions} | fields)


def mount(point: str, volume: str, kind: str = "ext4", **fields: object) -> Mount:
    values = {"mount_point": point, "host_path": point, "kind": kind, "volume": volume, "used_bytes": 500 * MIB}
    return Mount.model_validate(values | fields)


def inventory(disks: tuple[Disk, ...], mounts: tuple[Mount, ...], firmware: Firmware = "BIOS") -> SourceInventory:
    return SourceInventory(
        hostname="source",
        architecture="x86_64",
        firmware=firmware,
        operating_system=OperatingSystem(id="debian"),
        disks=disks,
        mounts=mounts,
    )


def code_of(source: SourceInventory, options: LayoutOptions | None = None) -> str:
    with pytest.raises(MigrationError) as raised:
        plan_layout(source, options)
    return raised.value.code


USUAL = inventory(
    (disk(partition(1, 1, 7000), partition(2, 7001, 1000, "swap")),),
    (mount("/", "sda1"),),
)


def test_every_identifier_of_the_source_is_kept() -> None:
    layout = plan_layout(USUAL)
    (target,) = layout.disks
    assert (target.name, target.identifier, target.size_bytes, target.is_system) == ("vda", "1234abcd", 8 * GIB, True)
    assert [(p.number, p.part_uuid, p.start_bytes) for p in target.partitions] == [
        (1, "1234abcd-01", MIB),
        (2, "1234abcd-02", 7001 * MIB),
    ]
    assert [p.format_as.uuid for p in target.partitions if p.format_as] == ["uuid-1", "uuid-2"]


def test_first_partition_at_sector_63_moves_to_one_mebibyte_and_keeps_its_number() -> None:
    old = disk(partition(2, 63 * 512 / MIB, 100), partition(1, 101, 900))
    layout = plan_layout(inventory((old,), (mount("/", "sda1"), mount("/boot", "sda2", used_bytes=MIB))))
    starts = {p.number: p.start_bytes for p in layout.disks[0].partitions}
    assert starts == {2: MIB, 1: 101 * MIB}
    assert any("sda2 moves" in note for note in layout.notes)


def test_logical_partitions_of_a_debian_installer_stay_where_they_are() -> None:
    source = disk(
        partition(1, 1, 4000),
        partition(2, 4001 + 1022 / 1024, 1000, "", kind="extended", type_id="05"),
        partition(5, 4002, 900, "swap", kind="logical"),
    )
    placed = {
        p.number: p.start_bytes for p in plan_layout(inventory((source,), (mount("/", "sda1"),))).disks[0].partitions
    }
    assert placed == {1: MIB, 2: int((4001 + 1022 / 1024) * MIB), 5: 4002 * MIB}


def test_a_logical_partition_without_an_extended_one_is_left_out_with_a_note() -> None:
    source = disk(partition(1, 1, 4000), partition(5, 4002, 900, "swap", kind="logical"))
    layout = plan_layout(inventory((source,), (mount("/", "sda1"),)))
    assert [one.number for one in layout.disks[0].partitions] == [1]
    assert any("sda5" in note and "left out" in note for note in layout.notes)


def test_disk_without_migrated_file_systems_is_left_out_with_a_note() -> None:
    backup = disk(partition(1, 1, 1000, name="sdb1"), name="sdb")
    layout = plan_layout(inventory((backup, *USUAL.disks), USUAL.mounts))
    assert [each.source_disk for each in layout.disks] == ["sda"]
    assert any("sdb" in note and "left out" in note for note in layout.notes)


def test_unmounted_file_system_is_left_empty_with_a_note() -> None:
    source = disk(partition(1, 1, 4000), partition(3, 4001, 1000, "xfs"))
    layout = plan_layout(inventory((source,), (mount("/", "sda1"),)))
    assert layout.disks[0].partitions[1].format_as is None
    assert any("sda3 (xfs) is not mounted" in note for note in layout.notes)


def test_volumes_are_copied_system_disk_first_and_parents_before_children() -> None:
    data = disk(partition(1, 1, 4000, "xfs", name="sdb1"), name="sdb")
    system = disk(partition(1, 1, 1000), partition(2, 1001, 4000), partition(3, 5001, 1000))
    mounts = (
        mount("/data", "sdb1", "xfs"),
        mount("/var/lib", "sda3"),
        mount("/boot", "sda1", used_bytes=MIB),
        mount("/", "sda2"),
    )
    layout = plan_layout(inventory((data, system), mounts))
    assert [(v.index, v.mount_point, v.target_disk, v.target_partition) for v in layout.volumes] == [
        (0, "/", "vda", 2),
        (1, "/boot", "vda", 1),
        (2, "/var/lib", "vda", 3),
        (3, "/data", "vdb", 1),
    ]


def test_root_on_an_image_without_table_gets_a_disk_that_can_boot() -> None:
    image = disk(name="loop0", table="none", size=2 * GIB, file_system=FileSystem(kind="ext4", uuid="kept"))
    layout = plan_layout(inventory((image,), (mount("/", "loop0", host_path="/mnt/source"),)), LayoutOptions(seed="t1"))
    (target,) = layout.disks
    (only,) = target.partitions
    assert (target.table, target.size_bytes, only.start_bytes, only.size_bytes) == ("mbr", 2 * GIB + MIB, MIB, 2 * GIB)
    assert only.is_active
    assert only.format_as is not None
    assert only.format_as.uuid == "kept"
    assert only.part_uuid == f"{target.identifier}-01"
    assert layout.volumes[0].source_path == "/mnt/source"


def test_root_directory_of_unknown_device_gets_a_disk_of_its_own() -> None:
    source = inventory((), (mount("/", "", "overlay", used_bytes=800 * MIB, size_bytes=200 * GIB),))
    layout = plan_layout(source, LayoutOptions(seed="t1"))
    (target,) = layout.disks
    assert target.partitions[0].format_as is not None
    assert target.partitions[0].format_as.kind == "ext4"
    assert GIB < target.size_bytes < 4 * GIB
    assert plan_layout(source, LayoutOptions(seed="t1")) == layout
    assert plan_layout(source, LayoutOptions(seed="t2")) != layout


def test_data_disk_with_a_file_system_on_the_whole_disk_stays_that_way() -> None:
    data = disk(name="sdb", table="none", size=GIB, file_system=FileSystem(kind="xfs", uuid="data"))
    layout = plan_layout(inventory((*USUAL.disks, data), (*USUAL.mounts, mount("/data", "sdb", "xfs"))))
    assert (layout.disks[1].table, layout.disks[1].partitions, layout.disks[1].size_bytes) == ("none", (), GIB)
    assert (layout.volumes[1].target_partition, layout.volumes[1].kind) == (0, "xfs")


def test_network_mounts_and_bind_mounts_are_not_copied() -> None:
    mounts = (
        mount("/srv", "sda1", root="/home"),
        mount("/", "sda1"),
        mount("/nfs", "", "nfs4", is_network=True),
    )
    assert [v.mount_point for v in plan_layout(inventory(USUAL.disks, mounts)).volumes] == ["/"]


def test_disk_and_partition_sizes_follow_the_options() -> None:
    pairs = {"disk.vda.size": "20GiB", "partition.sda1.size": "10G", "rate": "1"}
    options = LayoutOptions.from_pairs(pairs, USUAL, seed="t1")
    (target,) = plan_layout(USUAL, options).disks
    assert target.size_bytes == 20 * GIB
    assert [(p.start_bytes, p.size_bytes) for p in target.partitions] == [(MIB, 10 * GIB), (10 * GIB + MIB, 1000 * MIB)]


@pytest.mark.parametrize(
    ("option", "value"), [("disk.sdz.size", "1G"), ("disk.sda.size", "big"), ("disk.sda.size", "0")]
)
def test_option_that_means_nothing_is_refused(option: str, value: str) -> None:
    with pytest.raises(MigrationError) as raised:
        LayoutOptions.from_pairs({option: value}, USUAL, seed="t1")
    assert raised.value.code == "SMS.LAYOUT.OPTION_INVALID"


def test_sizes_that_do_not_hold_the_data_are_refused() -> None:
    assert code_of(USUAL, LayoutOptions(disk_size_bytes={"vda": GIB})) == "SMS.LAYOUT.DISK_TOO_SMALL"
    assert code_of(USUAL, LayoutOptions(partition_size_bytes={"sda1": 400 * MIB})) == "SMS.LAYOUT.PARTITION_TOO_SMALL"


def test_sources_that_a_target_cannot_be_made_for_are_refused() -> None:
    assert code_of(inventory(USUAL.disks, (mount("/data", "sda1"),))) == "SMS.LAYOUT.NO_ROOT"
    assert code_of(inventory(USUAL.disks, ())) == "SMS.LAYOUT.NOTHING_TO_COPY"
    zfs = (*USUAL.mounts, mount("/tank", "sda2", "zfs"))
    assert code_of(inventory(USUAL.disks, zfs)) == "SMS.LAYOUT.FILE_SYSTEM_UNSUPPORTED"
    lvm = (mount("/", "", source="/dev/mapper/vg-root"),)
    assert code_of(inventory(USUAL.disks, lvm)) == "SMS.LAYOUT.STORAGE_UNSUPPORTED"
    subtree = (mount("/", "sda1", root="/folder"),)
    assert code_of(inventory(USUAL.disks, subtree)) == "SMS.LAYOUT.SUBTREE_UNSUPPORTED"
