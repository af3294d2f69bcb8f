"""Planning targets of servers on LVM and RAID."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from contracts.layout import VolumeSegment
from services.task.domain.kernel_needs import kernel_needs
from services.task.domain.layout import LayoutOptions, plan_layout
from services.task.domain.layout.options import GIB, MIB
from services.task.domain.layout.volume_groups import allocated

from .storage_sources import (
    CENTOS,
    EXTENT,
    GROUP_UUID,
    MIRRORED,
    array,
    disk,
    group,
    logical,
    mount,
    partition,
    physical,
    server,
    uuid,
)


def code_of(source: SourceInventory, options: LayoutOptions | None = None) -> str:
    with pytest.raises(MigrationError) as raised:
        plan_layout(source, options)
    return raised.value.code


def test_a_group_keeps_its_names_uuids_and_sizes() -> None:
    layout = plan_layout(CENTOS)
    (planned,) = layout.volume_groups
    (held,) = planned.physical_volumes
    assert (planned.name, planned.uuid, planned.extent_bytes) == ("centos", GROUP_UUID, EXTENT)
    assert (held.disk, held.partition, held.uuid, held.data_start_bytes) == ("vda", 2, uuid("P", 1), MIB)
    assert held.extent_count == (19 * 1024 - 1) // 4
    assert [(one.name, one.uuid, one.segments[0].extent_count * EXTENT) for one in planned.logical_volumes] == [
        ("swap", uuid("L", 1), 2 * GIB),
        ("root", uuid("L", 2), 16 * GIB),
    ]
    assert [one.format_as.uuid for one in planned.logical_volumes if one.format_as] == ["uuid-of-swap", "uuid-of-root"]
    of_group = layout.disks[0].partitions[1].format_as
    assert of_group is not None
    assert (of_group.kind, of_group.uuid) == ("lvm2_member", uuid("P", 1))


def test_root_on_a_logical_volume_is_copied_onto_it_and_its_disk_boots() -> None:
    layout = plan_layout(CENTOS)
    assert [(one.mount_point, one.target_disk, one.target_partition, one.logical_volume) for one in layout.volumes] == [
        ("/", "vda", 2, "centos/root"),
        ("/boot", "vda", 1, ""),
    ]
    assert layout.volumes[0].kind == "xfs"
    assert layout.disks[0].is_system
    assert [part.number for part in layout.disks[0].partitions if part.is_active] == [1]


def test_volumes_in_one_piece_need_no_device_mapper() -> None:
    assert kernel_needs(plan_layout(CENTOS), CENTOS) == ("lvm", "xfs")
    large = logical("data", 3, 30 * GIB)
    two = server(
        (
            disk("sda", partition("sda1", 1, 20000, "lvm2_member")),
            disk("sdb", partition("sdb1", 1, 20000, "lvm2_member")),
        ),
        (mount("/", "centos/root", "xfs", "lvm"), mount("/data", "centos/data", "xfs", "lvm")),
        group((physical("sda1", 1, 20000), physical("sdb1", 2, 20000)), logical("root", 1, 4 * GIB), large),
    )
    layout = plan_layout(two)
    assert [len(one.segments) for one in layout.volume_groups[0].logical_volumes] == [1, 2]
    assert kernel_needs(layout, two) == ("device-mapper", "lvm", "xfs")


def test_striped_and_mirrored_volumes_become_linear_and_the_plan_says_so() -> None:
    source = server(
        CENTOS.disks,
        CENTOS.mounts,
        group(
            (physical("sda2", 1, 19 * 1024),),
            logical("root", 1, 8 * GIB, segment_types=("raid1",)),
            logical("old", 2, GIB, origin="root"),
            logical("spare", 3, GIB, "ext4"),
        ),
    )
    layout = plan_layout(source)
    assert [one.name for one in layout.volume_groups[0].logical_volumes] == ["root", "spare"]
    assert layout.volume_groups[0].logical_volumes[1].format_as is None
    assert [note for note in layout.notes if note.startswith("centos/")] == [
        "centos/root is raid1; it becomes linear",
        "centos/old is a snapshot of root; it is not copied",
        "centos/spare (ext4) is not mounted; it is left empty on the target",
    ]


def test_the_disk_with_boot_leads_when_the_root_is_on_another_one() -> None:
    source = server(
        (
            disk("sda", partition("sda1", 1, 20000, "lvm2_member")),
            disk("sdb", partition("sdb1", 1, 1024, "ext4")),
        ),
        (mount("/", "centos/root", "xfs", "lvm"), mount("/boot", "sdb1", "ext4")),
        group((physical("sda1", 1, 20000),), logical("root", 1, 8 * GIB)),
    )
    layout = plan_layout(source)
    assert [(one.name, one.source_disk, one.is_system) for one in layout.disks] == [
        ("vda", "sdb", True),
        ("vdb", "sda", False),
    ]


def test_a_whole_disk_under_the_group_gets_a_table_only_where_it_has_to_boot() -> None:
    whole = disk("sda", table="none", file_system=partition("sda1", 1, 1, "lvm2_member").file_system)
    only = server(
        (whole,),
        (mount("/", "centos/root", "xfs", "lvm"),),
        group((physical("sda", 1, 20 * 1024),), logical("root", 1, 8 * GIB)),
    )
    layout = plan_layout(only, LayoutOptions(seed="t1"))
    assert [(part.type_id, part.is_active) for part in layout.disks[0].partitions] == [("8e", True)]
    assert layout.volume_groups[0].physical_volumes[0].partition == 1
    second = server(
        (disk("sdb", partition("sdb1", 1, 8000, "ext4")), whole),
        (mount("/", "sdb1", "ext4"), mount("/data", "centos/root", "xfs", "lvm")),
        *only.volume_groups,
    )
    layout = plan_layout(second)
    assert [(one.table, one.source_disk) for one in layout.disks] == [("mbr", "sdb"), ("none", "sda")]
    assert layout.volume_groups[0].physical_volumes[0].partition == 0


def test_a_group_of_old_tools_with_every_extent_in_use_still_fits() -> None:
    start = 192 * 1024
    size = (19 * GIB - start) // EXTENT * EXTENT
    full = server(
        CENTOS.disks,
        CENTOS.mounts,
        group((physical("sda2", 1, 19 * 1024, start),), logical("root", 1, size)),
    )
    (planned,) = plan_layout(full).volume_groups
    assert planned.physical_volumes[0].data_start_bytes == start
    assert planned.physical_volumes[0].extent_count * EXTENT == size


def test_a_partition_that_was_made_too_small_for_its_group_is_refused() -> None:
    options = LayoutOptions(partition_size_bytes={"sda2": 10 * GIB})
    assert code_of(CENTOS, options) == "SMS.LAYOUT.VOLUME_GROUP_TOO_SMALL"


@pytest.mark.parametrize(
    "source",
    [
        CENTOS.model_copy(update={"mounts": (mount("/", "centos/root", "btrfs", "lvm"),)}),
        CENTOS.model_copy(update={"mounts": (mount("/", "centos/root", "xfs", "lvm_thin"),)}),
        CENTOS.model_copy(update={"mounts": (mount("/", "centos/root", "xfs", "lvm", "crypt"),)}),
        CENTOS.model_copy(update={"mounts": (mount("/", "centos/gone", "xfs", "lvm"),)}),
        CENTOS.model_copy(update={"volume_groups": (group((physical("", 1, 1),), logical("root", 1, GIB)),)}),
        CENTOS.model_copy(
            update={
                "mounts": (mount("/", "centos/root", "xfs", "lvm"), mount("/x", 'centos/a"b', "xfs", "lvm")),
                "volume_groups": (
                    group((physical("sda2", 1, 9000),), logical('a"b', 1, GIB), logical("root", 2, GIB)),
                ),
            }
        ),
        MIRRORED.model_copy(update={"arrays": ()}),
    ],
    ids=["btrfs", "thin", "encrypted", "unknown volume", "missing part", "odd name", "unknown array"],
)
def test_what_a_target_cannot_be_given_is_refused(source: SourceInventory) -> None:
    assert code_of(source) == "SMS.LAYOUT.STORAGE_UNSUPPORTED"


def test_mirrors_become_plain_partitions_on_one_disk() -> None:
    layout = plan_layout(MIRRORED)
    assert [(one.name, one.source_disk, one.size_bytes) for one in layout.disks] == [("vda", "sda", 21 * GIB)]
    boot, held = layout.disks[0].partitions
    assert (boot.type_id, boot.source_volume, boot.format_as and boot.format_as.uuid) == ("83", "sda1", "uuid-of-md0")
    assert (held.type_id, held.format_as and held.format_as.kind) == ("8e", "lvm2_member")
    assert [(one.mount_point, one.target_partition, one.logical_volume) for one in layout.volumes] == [
        ("/", 2, "centos/root"),
        ("/boot", 1, ""),
    ]
    assert "md0 (raid1 of sda1, sdb1) becomes a plain volume in the place of sda1" in layout.notes
    assert any(note.startswith("sdb (") and "left out" in note for note in layout.notes)
    assert layout.source_disks == MIRRORED.disks


def test_mirrors_stay_on_the_disk_whose_boot_partition_is_mounted() -> None:
    disks = tuple(
        disk(name, partition(f"{name}1", 1, 512, "vfat"), partition(f"{name}2", 513, 9000, "linux_raid_member"))
        for name in ("sda", "sdb")
    )
    mounts = (mount("/", "md0", "ext4", "raid"), mount("/boot/efi", "sdb1", "vfat"))
    arrays = (array("md0", ("sda2", "sdb2"), 8999 * MIB, "ext4"),)
    layout = plan_layout(server(disks, mounts, arrays=arrays, firmware="UEFI"))
    assert [one.source_disk for one in layout.disks] == ["sdb"]
    assert [(one.mount_point, one.target_partition) for one in layout.volumes] == [("/", 2), ("/boot/efi", 1)]


def test_a_striped_array_grows_in_the_place_of_its_first_member() -> None:
    disks = (
        disk("sda", partition("sda1", 1, 8000, "ext4")),
        disk("sdb", partition("sdb1", 1, 9000, "linux_raid_member"), partition("sdb2", 9001, 1000, "swap")),
        disk("sdc", partition("sdc1", 1, 9000, "linux_raid_member"), partition("sdc2", 9001, 1000, "swap")),
    )
    arrays = (array("md0", ("sdb1", "sdc1"), 17990 * MIB, "xfs", level="raid0"),)
    layout = plan_layout(
        server(disks, (mount("/", "sda1", "ext4"), mount("/srv", "md0", "xfs", "raid")), arrays=arrays)
    )
    first, second, third = layout.disks
    assert (first.source_disk, second.source_disk, third.source_disk) == ("sda", "sdb", "sdc")
    assert [(part.number, part.size_bytes // MIB) for part in second.partitions] == [(1, 17990), (2, 1000)]
    assert second.partitions[1].start_bytes >= second.partitions[0].start_bytes + 17990 * MIB
    assert [part.number for part in third.partitions] == [2]


def test_an_array_that_is_used_like_a_disk_is_refused() -> None:
    whole = array("md126", ("sda", "sdb"), 8 * GIB, "").model_copy(update={"is_partitioned": True})
    source = server((disk("sda"), disk("sdb")), (mount("/", "", "ext4", "raid"),), arrays=(whole,))
    assert code_of(source) == "SMS.LAYOUT.STORAGE_UNSUPPORTED"


def test_agents_that_tell_no_identifiers_get_derived_ones() -> None:
    told = group((physical("sda2", 1, 19 * 1024),), logical("root", 1, 8 * GIB + 1, segment_types=()))
    bare = told.model_copy(
        update={
            "uuid": "",
            "extent_bytes": 0,
            "physical_volumes": (told.physical_volumes[0].model_copy(update={"uuid": "", "data_start_bytes": 0}),),
            "logical_volumes": (told.logical_volumes[0].model_copy(update={"uuid": ""}),),
        }
    )
    source = CENTOS.model_copy(update={"volume_groups": (bare,)})
    first, again, other = (plan_layout(source, LayoutOptions(seed=seed)) for seed in ("t1", "t1", "t2"))
    assert first == again
    assert first.volume_groups[0].uuid != other.volume_groups[0].uuid
    (root,) = first.volume_groups[0].logical_volumes
    assert root.segments[0].extent_count == 8 * GIB // EXTENT + 1


@given(
    rooms=st.lists(st.integers(0, 500), min_size=1, max_size=5),
    shares=st.lists(st.integers(1, 200), max_size=8),
)
def test_every_extent_is_given_once(rooms: list[int], shares: list[int]) -> None:
    sizes: list[int] = []
    for share in shares:
        if sum(sizes) + share <= sum(rooms):
            sizes.append(share)
    found = allocated(sizes, rooms)
    assert [sum(one.extent_count for one in each) for each in found] == sizes
    taken: list[tuple[int, int]] = []
    for segment in (one for each in found for one in each):
        assert segment.start_extent + segment.extent_count <= rooms[segment.physical_volume]
        extents = range(segment.start_extent, segment.start_extent + segment.extent_count)
        taken += [(segment.physical_volume, extent) for extent in extents]
    assert len(taken) == len(set(taken)) == sum(sizes)


def test_a_volume_is_in_one_piece_wherever_that_goes() -> None:
    assert allocated([10, 60, 30], [40, 60]) == [
        (VolumeSegment(physical_volume=0, start_extent=30, extent_count=10),),
        (VolumeSegment(physical_volume=1, start_extent=0, extent_count=60),),
        (VolumeSegment(physical_volume=0, start_extent=0, extent_count=30),),
    ]
