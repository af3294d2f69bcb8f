"""What an agent of HTTP says of its machine, as an inventory and back on the wire; a recorded body."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.messages.source import DiskSummary, SourceServer, SourceServerDetails
from services.gateway.domain.mapping.registration import inventory_of, operating_system, with_disks
from services.gateway.domain.mapping.sources import os_version, shown
from services.gateway.domain.wire.agents import PostSourceServerBody, PutDiskInfoReq

RECORDED = Path(__file__).parent / "recorded" / "register_lvm_btrfs_uefi.json"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def body() -> PostSourceServerBody:
    return PostSourceServerBody.model_validate_json(RECORDED.read_text(encoding="utf-8"))


def server(**changed: object) -> SourceServer:
    times = dict.fromkeys(
        ("registered_at", "last_seen_at", "state_changed_at", "cycle_changed_at", "connection_changed_at"), NOW
    )
    return SourceServer.model_validate({"id": "s1", "name": "shop-db", **times, **changed})


def test_machine_and_system_are_read() -> None:
    found = inventory_of(body())
    system = found.operating_system
    assert (found.hostname, found.firmware, found.memory_bytes) == ("shop-db.example", "UEFI", 8 << 30)
    assert (system.id, system.version, system.version_id, system.bits) == ("ubuntu", "20.04", "20.04", 64)
    assert (found.boot_loader.kind, found.kernel_release, found.platform) == ("grub2", "5.4.0-150-generic", "aws")
    assert (found.has_rsync, found.has_tc, found.is_paravirtual) == (True, True, False)


def test_disks_have_partitions_in_order_and_file_systems_in_blkids_words() -> None:
    first, second = inventory_of(body()).disks
    assert (first.name, first.device, first.table, first.is_system) == ("nvme0n1", "/dev/nvme0n1", "gpt", True)
    assert [(part.name, part.file_system.kind if part.file_system else "") for part in first.partitions] == [
        ("nvme0n1p1", "vfat"),
        ("nvme0n1p2", "ext4"),
        ("nvme0n1p3", "lvm2_member"),
    ]
    starts = [part.start_bytes for part in first.partitions]
    assert starts == sorted(starts)
    assert all(
        part.start_bytes + part.size_bytes <= later
        for part, later in zip(first.partitions, [*starts[1:], first.size_bytes], strict=True)
    )
    assert second.partitions == ()
    assert second.file_system is not None
    assert (second.table, second.file_system.kind) == ("none", "btrfs")
    assert inventory_of(body()).disks[0].identifier == first.identifier != ""


def test_mounts_name_what_backs_them() -> None:
    mounts = {mount.mount_point: mount for mount in inventory_of(body()).mounts}
    assert set(mounts) == {"/", "/boot/efi", "/srv", "/var/lib/postgresql"}
    assert (mounts["/"].volume, mounts["/"].used_bytes) == ("nvme0n1p2", 9655287808)
    logical = mounts["/var/lib/postgresql"]
    assert (logical.volume, logical.layers) == ("data/pg", ("lvm",))


def test_the_servers_own_address_comes_first() -> None:
    cards = inventory_of(body()).network_interfaces
    assert [card.name for card in cards] == ["ens5", "docker0"]
    assert cards[0].addresses == ("198.51.100.20/25", "2001:db8::20/64")
    assert (cards[0].gateway, cards[0].mtu) == ("198.51.100.1", 9001)
    other = body().model_copy(update={"ip": "203.0.113.9"})
    assert inventory_of(other).network_interfaces[0].addresses[0] == "203.0.113.9"


def test_newer_disks_replace_those_that_are_given_and_leave_the_others() -> None:
    newer = with_disks(body(), PutDiskInfoReq(volumegroups=[]))
    assert (len(newer.disks or []), newer.volume_groups) == (2, [])


def test_a_registered_machine_is_shown_as_it_was_told() -> None:
    inventory = inventory_of(body())
    disks = (
        DiskSummary(name="nvme0n1", size_bytes=1, used_bytes=2, use="OS", target_bytes=3),
        DiskSummary(name="nvme1n1", size_bytes=1, use="BTRFS", target_bytes=1, is_left_out=True),
    )
    wire = shown(SourceServerDetails(server=server(disks=disks), inventory=inventory), NOW)
    told = body()
    assert [volume.mount_point for volume in wire.disks[0].physical_volumes] == ["/boot/efi", "/", None]
    assert (wire.disks[0].partition_style, wire.disks[0].device_use, wire.disks[0].os_disk) == ("GPT", "OS", True)
    assert wire.disks[0].physical_volumes[1].inode_nums == 210000
    assert [volume.device_use for volume in wire.disks[0].physical_volumes] == ["BOOT", "OS", "VOLUME_GROUP"]
    assert told.volume_groups is not None
    assert told.btrfs_list is not None
    assert wire.volume_groups[0].model_dump(exclude_none=True) == told.volume_groups[0].model_dump(exclude_none=True)
    assert wire.btrfs_list == told.btrfs_list
    assert (wire.networks[0].netmask, wire.networks[0].ipv6) == ("255.255.255.128", "2001:db8::20")
    assert [disk.name for disk in wire.init_target_server.disks] == ["nvme0n1"]
    assert wire.init_target_server.disks[0].size == 3


@pytest.mark.parametrize(
    ("text", "identifier", "version", "bits"),
    [
        ("UBUNTU_22_04_64BIT", "ubuntu", "22.04", 64),
        ("CENTOS_7_9_64BIT", "centos", "7.9", 64),
        ("CentOS 7.6", "centos", "7.6", 64),
        ("CENTOS7.6", "centos", "7.6", 64),
        ("DEBIAN_9_32BIT", "debian", "9", 32),
        ("SOMETHING", "", "", 64),
    ],
)
def test_names_of_systems_are_taken_apart(text: str, identifier: str, version: str, bits: int) -> None:
    found = operating_system(body().model_copy(update={"os_version": text}))
    assert (found.id, found.version, found.bits, found.name) == (identifier, version, bits, text)


def test_names_of_systems_are_written_as_the_vendor_does() -> None:
    assert os_version(server(os_id="debian", os_version="12.5")) == "DEBIAN_12_5_64BIT"
    assert os_version(server(os_id="", os_name="Plan 9")) == "Plan 9"
