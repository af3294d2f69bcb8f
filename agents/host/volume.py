"""The temporary volume: made once, and watched for having disappeared or become another one."""

from __future__ import annotations

import os
import struct
import uuid
from pathlib import Path

from agents.host.folders import TargetFolder, checked_name
from agents.host.images import run_tool
from agents.host.loop_devices import detach_loops_below
from agents.host.records import read_record, sync_folder, write_record
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_VOLUME_LOST

_SUPERBLOCK = 1024
_MAGIC_AT, _UUID_AT, _MAGIC = 0x38, 0x68, 0xEF53


class VolumeMarker(Model):
    """``helper/volume.json``: what the volume must be. file_system_uuid: of its ext4, random.

    lost: why it was once found to be another; that stays, since the kernel writes the superblock of a file system
    that was mounted back when it is unmounted (seen with mkfs on the file beneath a mounted one).
    """

    volume_id: str
    size_bytes: int
    inode: int
    device: int
    file_system_uuid: str
    lost: str = ""


def volume_path(folder: TargetFolder, volume_id: str) -> Path:
    """The volume's file."""
    return folder.helper / f"volume-{checked_name(volume_id, kind='volume')}.img"


def load_marker(folder: TargetFolder) -> VolumeMarker | None:
    """The marker of the target's volume; None when it has none."""
    return read_record(folder.helper / "volume.json", VolumeMarker)


def create_volume(folder: TargetFolder, *, volume_id: str, size_bytes: int) -> VolumeMarker:
    """A sparse file with an ext4 file system, or the one of this id that is there already.

    A volume of another id is removed first: a target has one. Raises MigrationError SMS.TARGET.VOLUME_LOST when
    this volume was made before and is not what it was: it is never silently made anew.
    """
    marker = load_marker(folder)
    if marker is not None and marker.volume_id == volume_id:
        if finding := find_damage(folder, marker):
            raise MigrationError(TARGET_VOLUME_LOST, volume_id=volume_id, finding=finding)
        return marker
    delete_volume(folder)
    path = volume_path(folder, volume_id)
    folder.helper.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    file_system_uuid = str(uuid.uuid4())
    with path.open("xb") as file:
        file.truncate(size_bytes)
        os.fchmod(file.fileno(), 0o600)
    run_tool(["mkfs.ext4", "-q", "-F", "-m", "0", "-U", file_system_uuid, "-L", "sms-helper", str(path)])
    sync_folder(folder.helper)
    status = path.stat()
    marker = VolumeMarker(
        volume_id=volume_id,
        size_bytes=size_bytes,
        inode=status.st_ino,
        device=status.st_dev,
        file_system_uuid=file_system_uuid,
    )
    write_record(folder.helper / "volume.json", marker)
    return marker


def find_damage(folder: TargetFolder, marker: VolumeMarker) -> str:
    """What is wrong with the volume, in words; "" when it is the one that was made."""
    if marker.lost:
        return marker.lost
    path = volume_path(folder, marker.volume_id)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(_SUPERBLOCK)
            superblock = file.read(1024)
    except OSError as error:
        return f"its file {path} cannot be read ({error.strerror})"
    if (status.st_ino, status.st_dev) != (marker.inode, marker.device):
        return f"its file {path} was replaced by another one"
    if status.st_size != marker.size_bytes:
        return f"its file {path} has {status.st_size} bytes instead of {marker.size_bytes}"
    if superblock_uuid(superblock) != marker.file_system_uuid:
        return f"its file system is not {marker.file_system_uuid} any more"
    return ""


def mark_lost(folder: TargetFolder, finding: str) -> None:
    """Remember that the volume is not what it was."""
    marker = load_marker(folder)
    if marker is not None:
        write_record(folder.helper / "volume.json", marker.model_copy(update={"lost": finding}))


def superblock_uuid(superblock: bytes) -> str:
    """The UUID in an ext4 superblock; "" when it is none."""
    if len(superblock) < _UUID_AT + 16 or struct.unpack_from("<H", superblock, _MAGIC_AT)[0] != _MAGIC:
        return ""
    return str(uuid.UUID(bytes=superblock[_UUID_AT : _UUID_AT + 16]))


def delete_volume(folder: TargetFolder) -> None:
    """Remove the volume, also a lost one; the helper that used it has been stopped."""
    detach_loops_below(folder.helper)
    for path in folder.helper.glob("volume-*.img"):
        path.unlink(missing_ok=True)
    (folder.helper / "volume.json").unlink(missing_ok=True)
