"""Flattening: a launch layer becomes self-contained raw files, beneath its running machine if it has one."""

from __future__ import annotations

from pathlib import Path

from agents.host.flattened import (
    begin_flattening,
    disks_on_raw,
    flattened_disks,
    flattening,
    mark_flattened,
    mark_on_raw,
    raw_disks,
    raw_path,
)
from agents.host.folders import TargetFolder
from agents.host.images import convert_to_raw, virtual_size_bytes
from agents.host.layers import LaunchLayer, layer_disks, load_layer
from agents.host.live_flatten import mirror_progress, move_to_raw
from agents.host.machine import is_running
from agents.host.records import sync_file
from agents.host.replica import check_room, load_replica
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HOST_TOOL_FAILED, TARGET_RUNNING
from contracts.messages.agent import AttachedDisk
from contracts.messages.host import HostWorking


def flatten(folder: TargetFolder, layer_id: str) -> tuple[AttachedDisk, ...]:
    """Self-contained raw files of a layer's disks; those that are complete are not made again.

    A machine that runs from the layer goes on running, and runs from the raw files when this returns; one that ends
    meanwhile leaves the rest to be converted. Safe to repeat after a kill at any moment.
    Raises MigrationError SMS.TARGET.HOST_FULL, HOST_TOOL, UNKNOWN, RUNNING (a machine runs from the raw files of
    another layer).
    """
    done = flattened_disks(folder)
    if done is not None and done.id == layer_id:
        return raw_disks(folder, done)
    layer = load_layer(folder, layer_id)
    _check_unused(folder, layer_id)
    begin_flattening(folder, layer_id)
    needed_bytes = max(0, _bytes_to_write(folder, layer) - _bytes_written(folder))
    check_room(folder.flattened, needed_bytes=needed_bytes, purpose="self-contained disks")
    while disks_on_raw(folder, layer_id) < set(layer.disks) or is_running(folder, layer_id):
        if not is_running(folder, layer_id):
            _convert(folder, layer)
        elif _has_moved(folder, layer):
            break
    for disk in layer.disks:
        sync_file(raw_path(folder, disk))
    mark_flattened(folder, layer)
    return raw_disks(folder, layer)


def flatten_progress(folder: TargetFolder, layer_id: str) -> HostWorking:
    """How far the work is: by the mirrors of a running machine, else by what has been written."""
    if is_running(folder, layer_id):
        done_bytes, total_bytes = mirror_progress(folder, layer_id)
    else:
        done_bytes, total_bytes = _bytes_written(folder), _bytes_to_write(folder, load_layer(folder, layer_id))
    return HostWorking(done_bytes=min(done_bytes, total_bytes), total_bytes=total_bytes)


def _check_unused(folder: TargetFolder, layer_id: str) -> None:
    """The raw files of another layer lie under the same names, and are about to go."""
    done, begun = flattened_disks(folder), flattening(folder)
    for other in {done.id if done else "", begun.layer_id if begun else ""} - {"", layer_id}:
        if is_running(folder, other):
            raise MigrationError(TARGET_RUNNING, launch_layer_id=other, action="replaced by another one")


def _has_moved(folder: TargetFolder, layer: LaunchLayer) -> bool:
    """False when the machine has ended before all of its disks were moved."""
    try:
        move_to_raw(folder, layer)
    except OSError as error:
        if is_running(folder, layer.id):
            raise MigrationError(TARGET_HOST_TOOL_FAILED, tool="qemu-system-x86_64", reason=error) from error
        return False
    return True


def _convert(folder: TargetFolder, layer: LaunchLayer) -> None:
    on_raw = disks_on_raw(folder, layer.id)
    for disk in layer_disks(folder, layer):
        if disk.name not in on_raw:
            convert_to_raw(Path(disk.path), image_format=disk.format, to=raw_path(folder, disk.name))
            mark_on_raw(folder, layer.id, disk.name)


def _bytes_to_write(folder: TargetFolder, layer: LaunchLayer) -> int:
    """An upper bound: what the chain of each disk occupies, and never more than the disk itself."""
    replica = {disk.name: disk for disk in load_replica(folder).disks}
    total = 0
    for disk in layer_disks(folder, layer):
        files = [Path(disk.path), *(folder.replica / name for name in replica[disk.name].layers)]
        occupied = sum(file.stat().st_blocks * 512 for file in files if file.exists())
        total += min(occupied, virtual_size_bytes(Path(disk.path), image_format=disk.format))
    return total


def _bytes_written(folder: TargetFolder) -> int:
    paths = folder.flattened.iterdir() if folder.flattened.exists() else ()
    return sum(path.stat().st_blocks * 512 for path in paths)
