"""Everything that an entry of a file system is, read without the code that copies, and two trees compared by it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import struct
from collections.abc import Iterator, Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

_FS_IOC_GETFLAGS: Final = 0x80086601
# Those that a user sets: secure deletion, undelete, compression, sync, immutable, append-only, nodump, noatime,
# directory sync, nocow. The others say how a file system stores its data.
_USER_FLAGS: Final = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000 | 0x800000
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Entry:
    """links: of a hard-linked file, all its paths. blocks_bytes: what it occupies, not compared for equality."""

    kind: int
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int
    device: int
    xattrs: tuple[tuple[str, bytes], ...]
    inode_flags: int
    content: bytes
    links: frozenset[bytes]
    blocks_bytes: int


def describe(root: Path, *, left_out: Set[bytes] = frozenset()) -> dict[bytes, Entry]:
    """Every entry below root by its path, the root itself as b"". left_out: paths, with all below them.

    One file system: what is mounted in it is not entered, and sockets are not there.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found: dict[bytes, tuple[os.stat_result, Entry]] = {}
        top = os.fstat(descriptor)
        found[b""] = (top, _entry(descriptor, b".", top))
        for path, directory, name, status in _walk(descriptor, b"", top.st_dev, left_out):
            found[path] = (status, _entry(directory, name, status))
    finally:
        os.close(descriptor)
    return _with_links(found)


def differences(source: dict[bytes, Entry], replica: dict[bytes, Entry], *, sparse: bool = True) -> list[str]:
    """One line for each path that is missing, extra or different; sparse: holes must be holes there too."""
    lines = [f"missing {path!r}" for path in sorted(source.keys() - replica.keys())]
    lines += [f"extra {path!r}" for path in sorted(replica.keys() - source.keys())]
    for path in sorted(source.keys() & replica.keys()):
        one, other = source[path], replica[path]
        for field in fields(Entry):
            here, there = getattr(one, field.name), getattr(other, field.name)
            if field.name != "blocks_bytes" and here != there:
                lines.append(f"{field.name} of {path[-200:]!r}: {here!r} became {there!r}")
        # File systems round up, and keep some attributes in blocks of their own.
        if sparse and stat.S_ISREG(one.kind) and other.blocks_bytes > one.blocks_bytes + max(1 << 16, one.blocks_bytes):
            lines.append(f"holes of {path[-200:]!r}: {one.blocks_bytes} bytes became {other.blocks_bytes}")
    return lines


def _walk(
    directory: int, path: bytes, device: int, left_out: Set[bytes]
) -> Iterator[tuple[bytes, int, bytes, os.stat_result]]:
    for name in sorted(os.fsencode(text) for text in os.listdir(directory)):
        inner = path + b"/" + name
        status = os.lstat(name, dir_fd=directory)
        if inner in left_out or stat.S_ISSOCK(status.st_mode):
            continue
        if status.st_dev != device:
            raise AssertionError(f"{inner!r} is a mount point: give the file system without what is mounted in it")
        yield inner, directory, name, status
        if stat.S_ISDIR(status.st_mode):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            try:
                yield from _walk(descriptor, inner, device, left_out)
            finally:
                os.close(descriptor)


def _entry(directory: int, name: bytes, status: os.stat_result) -> Entry:
    kind = stat.S_IFMT(status.st_mode)
    place = b"/proc/self/fd/%d/%s" % (directory, name)
    attributes = os.listxattr(place, follow_symlinks=False)
    inode_flags, content = 0, b""
    if kind in {stat.S_IFREG, stat.S_IFDIR}:
        inode_flags, content = _read(directory, name, is_file=kind == stat.S_IFREG)
    elif kind == stat.S_IFLNK:
        content = os.readlink(name, dir_fd=directory)
    return Entry(
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        size=0 if kind == stat.S_IFDIR else status.st_size,
        device=status.st_rdev,
        xattrs=tuple(sorted((text, os.getxattr(place, text, follow_symlinks=False)) for text in attributes)),
        inode_flags=inode_flags,
        content=content,
        links=frozenset(),
        blocks_bytes=status.st_blocks * 512,
    )


def _read(directory: int, name: bytes, *, is_file: bool) -> tuple[int, bytes]:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME, dir_fd=directory)
    try:
        answer = fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, bytes(8))
        inode_flags = struct.unpack("l", answer)[0] & _USER_FLAGS
        content = hashlib.blake2b(digest_size=16)
        while is_file and (chunk := os.read(descriptor, _CHUNK_BYTES)):
            content.update(chunk)
    finally:
        os.close(descriptor)
    return inode_flags, content.digest()


def _with_links(found: dict[bytes, tuple[os.stat_result, Entry]]) -> dict[bytes, Entry]:
    names: dict[int, set[bytes]] = {}
    for path, (status, _) in found.items():
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            names.setdefault(status.st_ino, set()).add(path)
    return {
        path: Entry(**(vars(entry) | {"links": frozenset(names.get(status.st_ino, ()))}))
        for path, (status, entry) in found.items()
    }
