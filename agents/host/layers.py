"""Launch layers: copy-on-write images over a point, in which a system is adapted and booted."""

from __future__ import annotations

import shutil
from pathlib import Path

from agents.host.folders import TargetFolder
from agents.host.images import convert_to_raw, create_layer, virtual_size_bytes
from agents.host.loop_devices import detach_loops_below
from agents.host.records import read_record, write_record
from agents.host.replica import attached, check_room, image_format, load_replica
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_UNKNOWN
from contracts.messages.agent import AttachedDisk


class LaunchLayer(Model):
    """``layers/ID/layer.json``: there once the layer is complete."""

    id: str
    point_id: str
    disks: tuple[str, ...]


def load_layer(folder: TargetFolder, layer_id: str) -> LaunchLayer:
    """The record. Raises MigrationError SMS.TARGET.UNKNOWN."""
    layer = read_record(folder.layer(layer_id) / "layer.json", LaunchLayer)
    if layer is None:
        raise MigrationError(TARGET_UNKNOWN, kind="launch layer", id=layer_id, target_id=folder.target_id)
    return layer


def layer_disks(folder: TargetFolder, layer: LaunchLayer) -> tuple[AttachedDisk, ...]:
    """The layer's disks as messages name them."""
    return tuple(attached(folder.layer(layer.id), disk, f"{disk}.qcow2") for disk in layer.disks)


def layers_over(folder: TargetFolder, point_id: str) -> tuple[Path, ...]:
    """The folders of the complete launch layers over a point."""
    folders = (folder.layer(layer_id) for layer_id in folder.layer_ids())
    records = ((path, read_record(path / "layer.json", LaunchLayer)) for path in folders)
    return tuple(path for path, record in records if record is not None and record.point_id == point_id)


def create_launch_layer(folder: TargetFolder, *, layer_id: str, point_id: str) -> LaunchLayer:
    """A layer over all disks of a point, or the one that is there already.

    Raises MigrationError SMS.TARGET.UNKNOWN for a point that there is not (any more).
    """
    path = folder.layer(layer_id)
    known = read_record(path / "layer.json", LaunchLayer)
    if known is not None:
        return known
    replica = load_replica(folder)
    point = replica.point(point_id)
    if point is None:
        raise MigrationError(TARGET_UNKNOWN, kind="point", id=point_id, target_id=folder.target_id)
    path.mkdir(parents=True, exist_ok=True)
    for disk in replica.disks:
        frozen = folder.replica / disk.layers[point.index]
        create_layer(path / f"{disk.name}.qcow2", backing=frozen, backing_format=image_format(frozen.name))
    layer = LaunchLayer(id=layer_id, point_id=point_id, disks=tuple(disk.name for disk in replica.disks))
    write_record(path / "layer.json", layer)
    return layer


def delete_launch_layer(folder: TargetFolder, layer_id: str) -> None:
    """Remove a layer whose machine has ended. The record goes first, so that no half layer is ever found."""
    path = folder.layer(layer_id)
    detach_loops_below(path)
    (path / "layer.json").unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def flatten(folder: TargetFolder, layer_id: str) -> tuple[AttachedDisk, ...]:
    """Self-contained raw files of a layer's disks; those that are complete are not made again.

    Raises MigrationError SMS.TARGET.HOST_FULL, UNKNOWN.
    """
    done = flattened_disks(folder)
    if done is not None and done.id == layer_id:
        return _flattened(folder, done)
    layer = load_layer(folder, layer_id)
    folder.flattened.mkdir(parents=True, exist_ok=True)
    check_room(folder.flattened, needed_bytes=_bytes_to_write(folder, layer), purpose="self-contained disks")
    for disk in layer_disks(folder, layer):
        convert_to_raw(Path(disk.path), image_format=disk.format, to=folder.flattened / f"{disk.name}.raw")
    write_record(folder.path / "flattened.json", layer)
    return _flattened(folder, layer)


def flattened_disks(folder: TargetFolder) -> LaunchLayer | None:
    """The layer that the self-contained disks were made of; None when there are none."""
    return read_record(folder.path / "flattened.json", LaunchLayer)


def is_flattened(folder: TargetFolder, layer_id: str) -> bool:
    """Whether the self-contained disks were made of this layer."""
    done = flattened_disks(folder)
    return done is not None and done.id == layer_id


def bootable_disks(folder: TargetFolder, layer_id: str) -> tuple[AttachedDisk, ...]:
    """The disks that a machine starts from: the layer's, or the flattened ones that were made of it."""
    done = flattened_disks(folder)
    if done is not None and done.id == layer_id:
        return _flattened(folder, done)
    return layer_disks(folder, load_layer(folder, layer_id))


def _flattened(folder: TargetFolder, layer: LaunchLayer) -> tuple[AttachedDisk, ...]:
    return tuple(attached(folder.flattened, disk, f"{disk}.raw") for disk in layer.disks)


def _bytes_to_write(folder: TargetFolder, layer: LaunchLayer) -> int:
    """An upper bound: what the chain of each disk occupies, and never more than the disk itself."""
    replica = {disk.name: disk for disk in load_replica(folder).disks}
    total = 0
    for disk in layer_disks(folder, layer):
        files = [Path(disk.path), *(folder.replica / name for name in replica[disk.name].layers)]
        occupied = sum(file.stat().st_blocks * 512 for file in files if file.exists())
        total += min(occupied, virtual_size_bytes(Path(disk.path), image_format=disk.format))
    return total
