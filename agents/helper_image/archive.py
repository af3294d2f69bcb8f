"""An initramfs as bytes that depend on its content alone: newc format, no times, no owners, inodes counted."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import Final

_TRAILER: Final = "TRAILER!!!"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A folder, a file or a device node. mode: as in stat. device: (major, minor) of a node."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)

    @classmethod
    def folder(cls, path: str) -> Member:
        """Mode 0755."""
        return cls(path=path, mode=stat.S_IFDIR | 0o755)

    @classmethod
    def program(cls, path: str, content: bytes) -> Member:
        """Mode 0755."""
        return cls(path=path, mode=stat.S_IFREG | 0o755, content=content)


def archive(members: list[Member]) -> bytes:
    """The archive, members in the order of their paths, so that a folder comes before what is in it."""
    parts = [_record(index, member) for index, member in enumerate(sorted(members, key=lambda each: each.path), 1)]
    return b"".join((*parts, _record(0, Member(path=_TRAILER, mode=0))))


def _record(inode: int, member: Member) -> bytes:
    name = member.path.encode() + b"\0"
    major, minor = member.device
    fields = (inode, member.mode, 0, 0, 1, 0, len(member.content), 0, 0, major, minor, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(member.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
