"""The subvolumes of a mounted Btrfs, asked of the kernel (Linux: include/uapi/linux/btrfs.h, btrfs_tree.h)."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from contracts.inventory import BtrfsSubvolume, BtrfsVolume, Disk, FileSystem, Mount

_TREE_SEARCH: Final = 0xD0009411
_INO_LOOKUP: Final = 0xD0009412
_ARGUMENT_BYTES: Final = 4096
# tree, least and greatest objectid, offset, transaction, type; number of items, and 36 bytes that are not used
_KEY: Final = struct.Struct("<7Q3I36x")
_ITEM: Final = struct.Struct("<QQQII")
_ROOT_TREE: Final = 1
_TOP_LEVEL: Final = 5
_FIRST: Final = 256
_ROOT_DIRECTORY: Final = 6
_DIR_ITEM: Final = 84
_ROOT_ITEM: Final = 132
_ROOT_BACKREF: Final = 144
_LAST_TYPE: Final = 0xFFFFFFFF
_NO_LIMIT: Final = (1 << 64) - 1
_READ_ONLY: Final = 1
_NO_UUID: Final = bytes(16)
# Nobody lists more; a hostile file system could have any number.
_MOST: Final = 10_000


@dataclass
class _Found:
    """One subvolume while it is put together. parent 0: where it lies has not been told."""

    flags: int = 0
    uuid: bytes = _NO_UUID
    is_snapshot: bool = False
    parent: int = 0
    folder: int = 0
    name: bytes = b""


@dataclass
class _Tree:
    """descriptor: any folder of the file system. default: the id of the default subvolume."""

    descriptor: int
    default: int = _TOP_LEVEL
    found: dict[int, _Found] = field(default_factory=dict)

    def read(self) -> None:
        """Ask for everything. Raises OSError."""
        for objectid, kind, offset, data in self._items():
            if objectid == _ROOT_DIRECTORY and kind == _DIR_ITEM:
                self._note_default(data)
            elif objectid >= _FIRST and kind in (_ROOT_ITEM, _ROOT_BACKREF) and len(self.found) < _MOST:
                self._note(self.found.setdefault(objectid, _Found()), kind, offset, data)

    def _note_default(self, data: bytes) -> None:
        (length,) = struct.unpack_from("<H", data, 27)
        if data[30 : 30 + length] == b"default":
            (self.default,) = struct.unpack_from("<Q", data)

    def _note(self, found: _Found, kind: int, offset: int, data: bytes) -> None:
        if kind == _ROOT_BACKREF:
            found.parent = offset
            found.folder, _, length = struct.unpack_from("<QQH", data)
            found.name = data[18 : 18 + length]
            return
        (found.flags,) = struct.unpack_from("<Q", data, 208)
        if len(data) >= 295:  # shorter before Linux 3.6
            found.uuid = data[247:263]
            # Made from another one here, or received as a copy of one elsewhere.
            found.is_snapshot = data[263:279] != _NO_UUID or data[279:295] != _NO_UUID

    def path(self, number: int) -> bytes | None:
        """From the top level; None for one that lies nowhere (removed and not cleaned up yet)."""
        parts: list[bytes] = []
        while number != _TOP_LEVEL:
            found = self.found.get(number)
            if found is None or not found.parent or len(parts) > _ARGUMENT_BYTES:
                return None
            parts.append(self._folder(found.parent, found.folder) + found.name)
            number = found.parent
        return b"/".join(reversed(parts))

    def _folder(self, tree: int, folder: int) -> bytes:
        """The path of a folder in its subvolume, with a slash behind it; b"" for the subvolume itself."""
        if folder == _FIRST:
            return b""
        argument = bytearray(_ARGUMENT_BYTES)
        struct.pack_into("<QQ", argument, 0, tree, folder)
        fcntl.ioctl(self.descriptor, _INO_LOOKUP, argument)
        return bytes(argument[16:]).partition(b"\0")[0]

    def _items(self) -> Iterator[tuple[int, int, int, bytes]]:
        """objectid, type, offset and data of the items of the root tree, in order."""
        objectid = kind = offset = 0
        while True:
            argument = bytearray(_ARGUMENT_BYTES)
            key = (_ROOT_TREE, objectid, _NO_LIMIT, offset, _NO_LIMIT, 0, _NO_LIMIT, kind, _LAST_TYPE, 4096)
            _KEY.pack_into(argument, 0, *key)
            fcntl.ioctl(self.descriptor, _TREE_SEARCH, argument)
            (count,) = struct.unpack_from("<I", argument, 64)
            if not count:
                return
            at = _KEY.size
            for _ in range(count):
                _, objectid, offset, kind, length = _ITEM.unpack_from(argument, at)
                at += _ITEM.size
                yield objectid, kind, offset, bytes(argument[at : at + length])
                at += length
            if offset == _NO_LIMIT:
                kind, offset = kind + 1, 0
            else:
                offset += 1


def read_btrfs_volumes(mounts: tuple[Mount, ...], disks: tuple[Disk, ...]) -> tuple[BtrfsVolume, ...]:
    """The mounted Btrfs file systems of these disks, each with its subvolumes; one that does not tell is left out."""
    volumes = []
    known = {name: each for disk in disks for name, each in _file_systems(disk) if each is not None}
    for name, file_system in known.items():
        own = [mount for mount in mounts if mount.volume == name and mount.kind == "btrfs"]
        if own:
            with suppress(OSError, struct.error):
                volumes.append(_read(name, file_system, own))
    return tuple(volumes)


def _file_systems(disk: Disk) -> list[tuple[str, FileSystem | None]]:
    return [(disk.name, disk.file_system), *((part.name, part.file_system) for part in disk.partitions)]


def _read(name: str, file_system: FileSystem, mounts: list[Mount]) -> BtrfsVolume:
    descriptor = os.open(mounts[0].host_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        tree = _Tree(descriptor)
        tree.read()
        paths = {number: _text(tree.path(number)) for number in tree.found}
    finally:
        os.close(descriptor)
    places = {mount.root.strip("/"): mount.mount_point for mount in reversed(mounts)}
    subvolumes = tuple(
        BtrfsSubvolume(
            id=str(number),
            name=path,
            parent_id=str(found.parent),
            uuid=str(UUID(bytes=found.uuid)),
            mount_point=places.get(path, ""),
            is_snapshot=found.is_snapshot,
            is_read_only=bool(found.flags & _READ_ONLY),
        )
        for number, found in sorted(tree.found.items())
        if (path := paths[number])
    )
    default = paths.get(tree.default) or ""
    return BtrfsVolume(
        uuid=file_system.uuid,
        name=file_system.label or name,
        label=file_system.label,
        devices=(name,),
        size_bytes=file_system.size_bytes,
        used_bytes=mounts[0].used_bytes,
        node_size=int(file_system.parameters.get("node_size", "0")),
        sector_size=int(file_system.parameters.get("sector_size", "0")),
        default_subvolume_id=str(tree.default),
        default_subvolume_name=default,
        default_mount_point=places.get(default, ""),
        subvolumes=subvolumes,
    )


def _text(path: bytes | None) -> str:
    """A path that a message can hold; "" for one that is no text, which stays unknown."""
    try:
        return path.decode() if path is not None else ""
    except UnicodeDecodeError:
        return ""
