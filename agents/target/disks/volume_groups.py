"""LVM volume groups from a plan: written as metadata, never activated (docs/decisions/0042).

LVM's programs are told of the group's own devices only, of no device-mapper and of no list of devices: a group of the
same name on the helper is not seen, and nothing of the helper is touched.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.target.disks.programs import run_program
from contracts.errors import MigrationError
from contracts.errors.disks import VOLUME_GROUP_DIFFERS
from contracts.layout import TargetLogicalVolume, TargetPhysicalVolume, TargetVolumeGroup, VolumeSegment

_SECTOR_BYTES: Final = 512


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of a physical volume: offset_bytes counts from that volume's start."""

    physical: TargetPhysicalVolume
    offset_bytes: int
    size_bytes: int


def windows(group: TargetVolumeGroup, volume: TargetLogicalVolume) -> tuple[Window, ...]:
    """Where a logical volume's bytes are, one stretch behind the other."""
    found = []
    for segment in volume.segments:
        physical = group.physical_volumes[segment.physical_volume]
        found.append(
            Window(
                physical=physical,
                offset_bytes=physical.data_start_bytes + segment.start_extent * group.extent_bytes,
                size_bytes=segment.extent_count * group.extent_bytes,
            )
        )
    return tuple(found)


def make_volume_group(group: TargetVolumeGroup, devices: Sequence[Path]) -> None:
    """Write the group. devices: of its physical volumes, in the plan's order; what they hold is lost.

    Raises MigrationError SMS.DISK.VOLUME_GROUP_DIFFERS when what is read back is not what was planned.
    """
    options = ["--config", _configuration(devices), "--driverloaded", "n"]
    with tempfile.TemporaryDirectory(prefix="lvm-") as folder:
        text = Path(folder, "metadata")
        text.write_text(metadata_text(group), encoding="ascii")
        for physical, device in zip(group.physical_volumes, devices, strict=True):
            identity = ["--uuid", physical.uuid, "--restorefile", str(text)]
            command = ["pvcreate", "-q", *options, "-ff", "--yes", "--zero", "y", *identity, str(device)]
            run_program(command, disk=group.name)
        run_program(["vgcfgrestore", "-q", *options, "--yes", "--file", str(text), group.name], disk=group.name)
    _check(group, devices, options)


def _configuration(devices: Sequence[Path]) -> str:
    accepted = "".join(f'"a|^{device}$|", ' for device in devices)
    return (
        f'devices {{ filter = [{accepted}"r|.*|"] global_filter = [{accepted}"r|.*|"] use_devicesfile = 0 scan_lvs = 0 '
        'obtain_device_list_from_udev = 0 external_device_info_source = "none" hints = "none" '
        "multipath_component_detection = 0 md_component_detection = 0 } "
        "global { use_lvmpolld = 0 use_lvmlockd = 0 } backup { backup = 0 archive = 0 } "
        "activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }"
    )


def metadata_text(group: TargetVolumeGroup) -> str:
    """The group in LVM's own words, as `vgcfgbackup` writes them. Sizes are in sectors of 512 bytes."""
    lines = [
        'contents = "Text Format Volume Group"',
        "version = 1",
        f"{group.name} {{",
        f'id = "{group.uuid}"',
        "seqno = 1",
        'format = "lvm2"',
        'status = ["RESIZEABLE", "READ", "WRITE"]',
        "flags = []",
        f"extent_size = {group.extent_bytes // _SECTOR_BYTES}",
        "max_lv = 0",
        "max_pv = 0",
        "metadata_copies = 0",
        "physical_volumes {",
    ]
    for index, physical in enumerate(group.physical_volumes):
        lines += [
            f"pv{index} {{",
            f'id = "{physical.uuid}"',
            'status = ["ALLOCATABLE"]',
            "flags = []",
            f"dev_size = {physical.size_bytes // _SECTOR_BYTES}",
            f"pe_start = {physical.data_start_bytes // _SECTOR_BYTES}",
            f"pe_count = {physical.extent_count}",
            "}",
        ]
    lines.append("}")
    if group.logical_volumes:
        lines.append("logical_volumes {")
        for volume in group.logical_volumes:
            lines += _logical_volume(volume)
        lines.append("}")
    return "\n".join([*lines, "}", ""])


def _logical_volume(volume: TargetLogicalVolume) -> list[str]:
    lines = [
        f"{volume.name} {{",
        f'id = "{volume.uuid}"',
        'status = ["READ", "WRITE", "VISIBLE"]',
        "flags = []",
        f"segment_count = {len(volume.segments)}",
    ]
    start = 0
    for number, segment in enumerate(volume.segments, start=1):
        lines += [
            f"segment{number} {{",
            f"start_extent = {start}",
            f"extent_count = {segment.extent_count}",
            'type = "striped"',
            "stripe_count = 1",
            f'stripes = ["pv{segment.physical_volume}", {segment.start_extent}]',
            "}",
        ]
        start += segment.extent_count
    return [*lines, "}"]


def _check(group: TargetVolumeGroup, devices: Sequence[Path], options: Sequence[str]) -> None:
    """Ask LVM what it sees now."""
    report = ["--reportformat", "json", "--options", "vg_uuid,lv_name,lv_uuid,seg_pe_ranges"]
    output = run_program(["lvs", *options, *report, "--segments", "--all", group.name], disk=group.name)
    rows = json.loads(output)["report"][0]["seg"]
    found = {(row["vg_uuid"], row["lv_name"], row["lv_uuid"], row["seg_pe_ranges"]) for row in rows}
    planned = {
        (group.uuid, volume.name, volume.uuid, f"{devices[one.physical_volume]}:{one.start_extent}-{_last(one)}")
        for volume in group.logical_volumes
        for one in volume.segments
    }
    if found != planned:
        raise MigrationError(
            VOLUME_GROUP_DIFFERS,
            group=group.name,
            found=sorted(found - planned),
            planned=sorted(planned - found),
        )


def _last(segment: VolumeSegment) -> int:
    return segment.start_extent + segment.extent_count - 1
