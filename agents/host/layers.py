"""Launch layers: copy-on-write images over a point, in which a system is adapted and booted."""

from __future__ import annotations

import shutil
from pathlib import Path

from agents.host.folders import TargetFolder
from agents.host.images import create_layer
from agents.host.loop_devices import detach_loops_below
from agents.host.records import read_record, write_record
from agents.host.replica import attached, image_format, load_replica
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
