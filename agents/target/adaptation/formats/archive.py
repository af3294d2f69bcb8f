"""Write cpio archives (newc), which the kernel unpacks one after another over each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_FOLDER: Final = 0o040755
_FILE: Final = 0o100644
_TRAILER: Final = "TRAILER!!!"


def appended(image: bytes, files: Mapping[str, bytes]) -> bytes:
    """The image with one more plain archive of these files (paths without a leading slash) at its end."""
    return image + b"\0" * (-len(image) % 4) + archive(files)


def archive(files: Mapping[str, bytes]) -> bytes:
    """The files and the folders that they lie in; times are 0, so that the same files give the same bytes."""
    folders = {parent for path in files for parent in _parents(path)}
    members = [_member(path, _FOLDER, b"") for path in sorted(folders)]
    members += [_member(path, _FILE, files[path]) for path in sorted(files)]
    return b"".join([*members, _member(_TRAILER, 0, b"")])


def _parents(path: str) -> list[str]:
    names = path.split("/")[:-1]
    return ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]


def _member(path: str, mode: int, content: bytes) -> bytes:
    name = path.encode("utf-8", "surrogateescape") + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device (4 numbers), name size, checksum
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % each for each in fields) + name
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)
