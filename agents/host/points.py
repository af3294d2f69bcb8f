"""Points: freezing the top layers of all disks at once, and keeping the chain short."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from agents.host.folders import TargetFolder
from agents.host.images import commit_layer, create_layer, move_to_backing, run_tool
from agents.host.layers import layers_over
from agents.host.loop_devices import loops_below
from agents.host.records import sync_file, sync_folder
from agents.host.replica import Replica, ReplicaDisk, ReplicaPoint, image_format, load_replica, save_replica
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_CHAIN_FULL, TARGET_DISKS_BUSY

MAX_LAYERS: Final = 8


def take_point(folder: TargetFolder, point_id: str) -> tuple[Replica, tuple[str, ...]]:
    """Freeze the top layers under this id; returns the replica and the ids of points that were merged for it.

    The new layers count from the moment the record is written: a kill before that leaves files that no record
    names, and the next call makes them anew. Raises MigrationError SMS.TARGET.DISKS_BUSY, CHAIN_FULL.
    """
    replica = load_replica(folder)
    if replica.point(point_id) is not None:
        return replica, ()
    _check_detached(folder, replica)
    before = {point.id for point in replica.points}
    while replica.layer_count >= MAX_LAYERS:
        replica = _merge_at(folder, replica, _mergeable(folder, replica))
    dropped = before - {point.id for point in replica.points}
    disks = tuple(_with_new_top(folder, disk, replica.next_layer) for disk in replica.disks)
    point = ReplicaPoint(id=point_id, taken_at=datetime.now(UTC), index=replica.layer_count - 1)
    frozen = Replica(disks=disks, points=(*replica.points, point), next_layer=replica.next_layer + 1)
    save_replica(folder, frozen)
    return frozen, tuple(sorted(dropped))


def collapse(folder: TargetFolder) -> Replica:
    """Drop all points and merge every layer into the raw files; launch layers must be gone. Safe to repeat."""
    replica = load_replica(folder)
    while replica.layer_count > 1:
        replica = _merge_at(folder, replica, 0)
    replica = replica.model_copy(update={"points": ()})
    save_replica(folder, replica)
    named = {name for disk in replica.disks for name in disk.layers}
    for left_over in folder.replica.glob("*.qcow2"):
        if left_over.name not in named:
            left_over.unlink()
    return replica


def _check_detached(folder: TargetFolder, replica: Replica) -> None:
    attached = {path: device for device, path in loops_below(folder.replica)}
    for disk in replica.disks:
        top = (folder.replica / disk.layers[-1]).resolve()
        if top in attached:
            raise MigrationError(TARGET_DISKS_BUSY, path=top, user=attached[top])
        if image_format(top.name) == "qcow2":
            try:
                # Without -U qemu-img asks for a lock, which it does not get while somebody writes.
                run_tool(["qemu-img", "info", str(top)], timeout_s=60)
            except MigrationError as error:
                raise MigrationError(TARGET_DISKS_BUSY, path=top, user="a process that locks it") from error


def _with_new_top(folder: TargetFolder, disk: ReplicaDisk, number: int) -> ReplicaDisk:
    top = folder.replica / disk.layers[-1]
    sync_file(top)
    name = f"{disk.name}-{number:04d}.qcow2"
    create_layer(folder.replica / name, backing=top, backing_format=image_format(top.name))
    return disk.model_copy(update={"layers": (*disk.layers, name)})


def _mergeable(folder: TargetFolder, replica: Replica) -> int:
    """The lowest layer into which its neighbour may be merged: nobody needs its own content any more.

    The newest point stays, and every point with a launch layer.
    """
    needed = {point.index for point in replica.points[-1:]}
    needed |= {point.index for point in replica.points if layers_over(folder, point.id)}
    for index in range(replica.layer_count - 2):
        if index not in needed:
            return index
    raise MigrationError(TARGET_CHAIN_FULL, disk=replica.disks[0].name, layers=replica.layer_count)


def _merge_at(folder: TargetFolder, replica: Replica, index: int) -> Replica:
    """Write layer index + 1 into layer index and take it out of the chain.

    What is seen from layer index + 1 upwards never changes, whenever this is killed: only points at index, which
    are forgotten first, lose their content.
    """
    replica = replica.model_copy(update={"points": tuple(p for p in replica.points if p.index != index)})
    save_replica(folder, replica)
    for disk in replica.disks:
        _merge_files(folder, replica, disk, index)
    disks = tuple(
        disk.model_copy(update={"layers": disk.layers[: index + 1] + disk.layers[index + 2 :]})
        for disk in replica.disks
    )
    points = tuple(p.model_copy(update={"index": p.index - 1}) if p.index > index else p for p in replica.points)
    merged = replica.model_copy(update={"disks": disks, "points": points})
    save_replica(folder, merged)
    for disk in replica.disks:
        (folder.replica / disk.layers[index + 1]).unlink(missing_ok=True)
    sync_folder(folder.replica)
    return merged


def _merge_files(folder: TargetFolder, replica: Replica, disk: ReplicaDisk, index: int) -> None:
    below, above = (folder.replica / name for name in disk.layers[index : index + 2])
    if not above.exists():
        return
    commit_layer(above, into=below, into_format=image_format(below.name))
    children = [folder.replica / name for name in disk.layers[index + 2 : index + 3]]
    for point in replica.points:
        if point.index == index + 1:
            children += [layer / f"{disk.name}.qcow2" for layer in layers_over(folder, point.id)]
    for child in children:
        move_to_backing(child, backing=below, backing_format=image_format(below.name))
