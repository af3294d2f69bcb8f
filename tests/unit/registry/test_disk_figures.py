"""How full each disk is said to be when arrays and logical volumes lie between it and the mounts."""

from __future__ import annotations

from contracts.inventory import (
    Disk,
    LogicalVolume,
    Mount,
    OperatingSystem,
    Partition,
    PhysicalVolume,
    RaidArray,
    SourceInventory,
    VolumeGroup,
)
from services.registry.domain.disks import summaries


def disk(name: str) -> Disk:
    parts = (Partition(number=1, name=f"{name}1", start_bytes=1, size_bytes=500),)
    return Disk(name=name, device=f"/dev/{name}", size_bytes=1000, table="mbr", partitions=parts)


def used(*mounts: Mount) -> dict[str, int]:
    group = VolumeGroup(
        name="vg",
        size_bytes=1,
        physical_volumes=(PhysicalVolume(volume="md1"), PhysicalVolume(volume="sdc1")),
        logical_volumes=(LogicalVolume(name="root", size_bytes=1), LogicalVolume(name="srv", size_bytes=1)),
    )
    inventory = SourceInventory(
        hostname="h",
        architecture="x86_64",
        firmware="BIOS",
        operating_system=OperatingSystem(),
        disks=(disk("sda"), disk("sdb"), disk("sdc")),
        mounts=mounts,
        arrays=tuple(
            RaidArray(name=name, size_bytes=1, level="raid1", members=members)
            for name, members in (("md0", ("sda1", "sdb1")), ("md1", ("sdb1",)))
        ),
        volume_groups=(group,),
    )
    return {each.name: each.used_bytes for each in summaries(inventory)}


def mount(point: str, volume: str, used_bytes: int) -> Mount:
    return Mount(mount_point=point, host_path=point, kind="ext4", volume=volume, used_bytes=used_bytes)


def test_what_lies_on_several_disks_counts_at_the_first_of_them() -> None:
    mounts = (mount("/", "vg/root", 30), mount("/srv", "vg/srv", 50), mount("/boot", "md0", 7), mount("/x", "sdc1", 2))
    assert used(*mounts) == {"sda": 7, "sdb": 80, "sdc": 2}


def test_a_disk_never_holds_more_than_its_size() -> None:
    assert used(mount("/srv", "vg/srv", 5000)) == {"sda": 0, "sdb": 1000, "sdc": 0}
