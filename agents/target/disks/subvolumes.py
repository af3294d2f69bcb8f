"""Btrfs subvolumes of a target: made before the copy, and mounted each by itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agents.target.disks.mounts import mount_volume
from agents.target.namespace import MS_BIND, mount, unmount
from agents.transfer.entries import check_path
from agents.transfer.paths import join, open_directory, split
from contracts.errors import MigrationError
from contracts.errors.disks import MOUNT_FAILED, SUBVOLUME_FAILED
from contracts.layout import CopyVolume, TargetSubvolume

_SUBVOL_CREATE: Final = 0x5000940E
_DEFAULT_SUBVOL: Final = 0x40089413
_INO_LOOKUP: Final = 0xD0009412
_ARGUMENT_BYTES: Final = 4096
_ROOT_INODE: Final = 256
_COMPRESSION: Final = ("compress=", "compress-force=", "compress", "compress-force")


def make_subvolumes(device: Path, subvolumes: Sequence[TargetSubvolume]) -> None:
    """Make them in a new Btrfs, outer ones first, and the folders between. What is there already stays.

    Raises MigrationError SMS.DISK.SUBVOLUME_FAILED, SMS.DISK.MOUNT_FAILED, SMS.TRANSFER.PROTOCOL.
    """
    with _top_level(device) as root:
        for subvolume in subvolumes:
            path = os.fsencode(subvolume.path)
            check_path(path)
            try:
                _make(root, path)
                if subvolume.is_default:
                    _make_default(root, path)
            except OSError as error:
                raise MigrationError(
                    SUBVOLUME_FAILED, device=device, path=subvolume.path, reason=error.strerror or error
                ) from error


def mount_subvolume(device: Path, directory: str, volume: CopyVolume, *, is_read_only: bool = False) -> None:
    """Mount one subvolume of a Btrfs guarded at an existing directory; it is written with the source's compression.

    By descriptors, not by options: a name with a comma in it would be more than one. Raises MigrationError
    SMS.DISK.MOUNT_FAILED.
    """
    with _top_level(device, volume, is_read_only=is_read_only) as root:
        try:
            descriptor = open_directory(root, os.fsencode(volume.subvolume))
            try:
                # A bind has the flags of the mount that it is taken from.
                mount(f"/proc/self/fd/{descriptor}", directory, flags=MS_BIND)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise MigrationError(
                MOUNT_FAILED,
                kind="btrfs",
                device=device,
                mount_point=volume.mount_point,
                reason=f"subvolume {volume.subvolume}: {error.strerror or error}",
            ) from error


@contextmanager
def _top_level(device: Path, volume: CopyVolume | None = None, *, is_read_only: bool = False) -> Iterator[int]:
    """The root of the whole file system, mounted for as long as this lasts."""
    options = ["subvolid=5", *_compression(volume.mount_options if volume is not None else ())]
    point = volume.mount_point if volume is not None else "/"
    with tempfile.TemporaryDirectory(prefix="sms-btrfs-") as folder:
        mount_volume(device, folder, "btrfs", mount_point=point, is_read_only=is_read_only, options=",".join(options))
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        finally:
            unmount(folder)


def _compression(mount_options: Sequence[str]) -> list[str]:
    """The same as on the source, where a compressed file system may hold more than its size."""
    return [each for each in mount_options if each.startswith(_COMPRESSION[:2]) or each in _COMPRESSION[2:]]


def _make(root: int, path: bytes) -> None:
    parent_path, name = split(path)
    parent = _folder(root, parent_path)
    try:
        with contextlib.suppress(FileExistsError):
            argument = bytearray(8) + name.ljust(_ARGUMENT_BYTES - 8, b"\0")
            fcntl.ioctl(parent, _SUBVOL_CREATE, argument)
        if os.stat(name, dir_fd=parent, follow_symlinks=False).st_ino != _ROOT_INODE:
            raise NotADirectoryError(20, "something else has its name")
    finally:
        os.close(parent)


def _folder(root: int, path: bytes) -> int:
    done = b""
    for name in path.split(b"/") if path else ():
        with contextlib.suppress(FileExistsError):
            parent = open_directory(root, done)
            try:
                os.mkdir(name, stat.S_IRWXU | 0o055, dir_fd=parent)
            finally:
                os.close(parent)
        done = join(done, name)
    return open_directory(root, path)


def _make_default(root: int, path: bytes) -> None:
    descriptor = open_directory(root, path)
    try:
        argument = bytearray(_ARGUMENT_BYTES)
        struct.pack_into("<QQ", argument, 0, 0, _ROOT_INODE)
        # Tree 0 is the one that the descriptor is in.
        fcntl.ioctl(descriptor, _INO_LOOKUP, argument)
        fcntl.ioctl(descriptor, _DEFAULT_SUBVOL, bytes(argument[:8]))
    finally:
        os.close(descriptor)
