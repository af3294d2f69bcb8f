"""The replica's disks: their layers from the bottom to the top, and which point froze which of them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from agents.host.folders import TargetFolder, checked_name
from agents.host.images import ImageFormat, create_raw, free_bytes
from agents.host.records import read_record, write_record
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_DISK_CHANGED, TARGET_DISK_MISSING, TARGET_HOST_FULL, TARGET_UNKNOWN
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import DiskRequest


class ReplicaDisk(Model):
    """A disk. layers: file names from the bottom (raw) to the top; all disks of a target have equally many."""

    name: str
    size_bytes: int
    layers: tuple[str, ...]


class ReplicaPoint(Model):
    """A point. index: of the layer of each disk that it froze."""

    id: str
    taken_at: datetime
    index: int


class Replica(Model):
    """``replica.json``. next_layer: the number of the next layer file; numbers are never used twice."""

    disks: tuple[ReplicaDisk, ...]
    points: tuple[ReplicaPoint, ...] = ()
    next_layer: int = 1

    @property
    def layer_count(self) -> int:
        """Length of the chain, the writable top included."""
        return len(self.disks[0].layers) if self.disks else 0

    def point(self, point_id: str) -> ReplicaPoint | None:
        """The point with this id."""
        return next((point for point in self.points if point.id == point_id), None)


def image_format(name: str) -> ImageFormat:
    """The format of a layer by its file name."""
    return "qcow2" if name.endswith(".qcow2") else "raw"


def attached(folder: Path, disk_name: str, file_name: str) -> AttachedDisk:
    """A disk as messages name it."""
    return AttachedDisk(name=disk_name, path=str(folder / file_name), format=image_format(file_name))


def top_layers(folder: TargetFolder, replica: Replica) -> tuple[AttachedDisk, ...]:
    """What the next sync round writes into."""
    return tuple(attached(folder.replica, disk.name, disk.layers[-1]) for disk in replica.disks)


def load_replica(folder: TargetFolder) -> Replica:
    """The record. Raises MigrationError SMS.TARGET.UNKNOWN when no disks were created."""
    replica = read_record(folder.path / "replica.json", Replica)
    if replica is None:
        raise MigrationError(TARGET_UNKNOWN, kind="replica", id="replica.json", target_id=folder.target_id)
    return replica


def save_replica(folder: TargetFolder, replica: Replica) -> None:
    """Write the record durably: this is the moment at which a change of the chain counts."""
    write_record(folder.path / "replica.json", replica)


def create_disks(folder: TargetFolder, disks: tuple[DiskRequest, ...]) -> Replica:
    """Create layer 0 of each disk, or find what an earlier call has created.

    Raises MigrationError SMS.TARGET.HOST_FULL, DISK_CHANGED (other sizes than before) or DISK_MISSING.
    """
    known = read_record(folder.path / "replica.json", Replica)
    if known is not None:
        _check_same(folder, known, disks)
        return known
    for disk in disks:
        checked_name(disk.name, kind="disk")
    folder.replica.mkdir(parents=True, exist_ok=True)
    folder.path.chmod(0o700)
    check_room(folder.replica, needed_bytes=sum(disk.expected_bytes for disk in disks), purpose="the target's disks")
    for disk in disks:
        create_raw(folder.replica / f"{disk.name}.raw", size_bytes=disk.size_bytes)
    replica = Replica(
        disks=tuple(
            ReplicaDisk(name=disk.name, size_bytes=disk.size_bytes, layers=(f"{disk.name}.raw",)) for disk in disks
        )
    )
    save_replica(folder, replica)
    return replica


def check_room(folder: Path, *, needed_bytes: int, purpose: str) -> None:
    """Raises MigrationError SMS.TARGET.HOST_FULL when the folder's file system lacks room."""
    free = free_bytes(folder)
    if free < needed_bytes:
        raise MigrationError(
            TARGET_HOST_FULL, folder=folder, free_bytes=free, needed_bytes=needed_bytes, purpose=purpose
        )


def _check_same(folder: TargetFolder, known: Replica, disks: tuple[DiskRequest, ...]) -> None:
    found = {disk.name: disk for disk in known.disks}
    for wanted in disks:
        size_bytes = found[wanted.name].size_bytes if wanted.name in found else 0
        if size_bytes != wanted.size_bytes:
            raise MigrationError(
                TARGET_DISK_CHANGED, disk=wanted.name, found_bytes=size_bytes, wanted_bytes=wanted.size_bytes
            )
        for layer in found[wanted.name].layers:
            if not (folder.replica / layer).exists():
                raise MigrationError(TARGET_DISK_MISSING, path=folder.replica / layer, disk=wanted.name)
