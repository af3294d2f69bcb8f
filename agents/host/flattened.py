"""Which disks of a launch layer lie in self-contained raw files already, and what a machine starts from."""

from __future__ import annotations

from pathlib import Path

from agents.host.folders import TargetFolder
from agents.host.layers import LaunchLayer, layer_disks, load_layer
from agents.host.records import read_record, sync_folder, write_record
from agents.host.replica import attached
from contracts.base import Model
from contracts.messages.agent import AttachedDisk


class FlatteningRecord(Model):
    """``flattening.json``: a layer that is being flattened. on_raw: the disks whose raw file holds whatever the
    machine was told is written; their image in the layer may be older."""

    layer_id: str
    on_raw: tuple[str, ...] = ()


def raw_path(folder: TargetFolder, disk_name: str) -> Path:
    """The self-contained file of a disk."""
    return folder.flattened / f"{disk_name}.raw"


def raw_disks(folder: TargetFolder, layer: LaunchLayer) -> tuple[AttachedDisk, ...]:
    """The self-contained disks of a layer as messages name them."""
    return tuple(attached(folder.flattened, disk, raw_path(folder, disk).name) for disk in layer.disks)


def flattened_disks(folder: TargetFolder) -> LaunchLayer | None:
    """The layer that the self-contained disks were made of; None when there are none, or not yet all."""
    return read_record(folder.path / "flattened.json", LaunchLayer)


def is_flattened(folder: TargetFolder, layer_id: str) -> bool:
    """Whether the self-contained disks were made of this layer."""
    done = flattened_disks(folder)
    return done is not None and done.id == layer_id


def flattening(folder: TargetFolder) -> FlatteningRecord | None:
    """The layer that is being flattened; None when none is."""
    return read_record(folder.path / "flattening.json", FlatteningRecord)


def disks_on_raw(folder: TargetFolder, layer_id: str) -> frozenset[str]:
    """The disks of this layer whose raw file is the one that counts."""
    known = flattening(folder)
    return frozenset(known.on_raw) if known is not None and known.layer_id == layer_id else frozenset()


def begin_flattening(folder: TargetFolder, layer_id: str) -> None:
    """Say durably whose raw files are being made: those of any other layer go before."""
    known = flattening(folder)
    if known is None or known.layer_id != layer_id:
        forget_flattening(folder)
        folder.flattened.mkdir(parents=True, exist_ok=True)
        write_record(folder.path / "flattening.json", FlatteningRecord(layer_id=layer_id))


def mark_on_raw(folder: TargetFolder, layer_id: str, disk_name: str, *, is_on_raw: bool = True) -> None:
    """Say durably which file of a disk counts from now on."""
    before = disks_on_raw(folder, layer_id)
    now = before | {disk_name} if is_on_raw else before - {disk_name}
    if now != before:
        record = FlatteningRecord(layer_id=layer_id, on_raw=tuple(sorted(now)))
        write_record(folder.path / "flattening.json", record)


def mark_flattened(folder: TargetFolder, layer: LaunchLayer) -> None:
    """Say durably that all disks of a layer are self-contained."""
    write_record(folder.path / "flattened.json", layer)
    (folder.path / "flattening.json").unlink(missing_ok=True)


def forget_flattening(folder: TargetFolder, *, except_of: str = "") -> None:
    """Remove all raw files but the complete ones of a layer; the machine that used them has ended."""
    if except_of and is_flattened(folder, except_of):
        return
    for name in ("flattened.json", "flattening.json"):
        (folder.path / name).unlink(missing_ok=True)
    if folder.flattened.exists():
        for path in (*folder.flattened.glob("*.raw"), *folder.flattened.glob(".*.raw.new")):
            path.unlink()
        sync_folder(folder.flattened)


def forget_layer(folder: TargetFolder, layer_id: str) -> None:
    """Remove the half-made disks of a layer that was deleted; complete ones stay."""
    begun = flattening(folder)
    if begun is not None and begun.layer_id == layer_id and not is_flattened(folder, layer_id):
        forget_flattening(folder)


def bootable_disks(folder: TargetFolder, layer_id: str) -> tuple[AttachedDisk, ...]:
    """The disks that a machine starts from: of each the layer's image, or the raw file if that counts."""
    done = flattened_disks(folder)
    if done is not None and done.id == layer_id:
        return raw_disks(folder, done)
    layer = load_layer(folder, layer_id)
    on_raw = disks_on_raw(folder, layer_id)
    pairs = zip(layer_disks(folder, layer), raw_disks(folder, layer), strict=True)
    return tuple(raw if raw.name in on_raw else image for image, raw in pairs)
