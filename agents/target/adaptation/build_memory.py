"""What the system's own builder made for an earlier launch of the task, for as long as all that it reads is the same.

Building an initial RAM disk is most of an adaptation, and a cutover's adaptation is downtime; the launch before it has
built the same image from the same files already. See docs/decisions/0050.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.target.adaptation.confinement import PlannedDevice
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.tree import Tree

# Programs, drivers and firmware: a file that was written again has another inode or another time of change.
_BY_STATUS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "boot")
# Settings are compared by their contents: an adaptation writes some of them anew in each layer.
_BY_CONTENT: Final = ("etc",)
# A larger file is no setting; a tree with more entries takes longer to look at than to build from.
_CONTENT_LIMIT_BYTES: Final = 16 << 20
_MOST_ENTRIES: Final = 1_000_000
_SUM_BYTES: Final = hashlib.sha256().digest_size


class BuildMemory:
    """folder: the task's own on the helper, made when needed. devices: what the builder sees of them is in the key."""

    def __init__(self, folder: Path, tree: Tree, devices: Sequence[PlannedDevice]) -> None:
        self._folder = folder
        self._tree = tree
        # Names and numbers of nodes are of this helper, and differ from launch to launch.
        self._devices = sorted((one.uuid, one.label, one.part_uuid, one.mapper_name) for one in devices)

    def built(self, command: Sequence[str], build: Callable[[], SandboxResult]) -> SandboxResult:
        """What build returns, or what it returned before from the same files; then without messages.

        Only the last good result is kept.
        """
        key = self._key(command)
        if key and (output := self._recall(key)):
            return SandboxResult(status=0, output=output, messages="")
        result = build()
        if key and result.status == 0 and result.output and not result.is_timeout:
            self._keep(key, result.output)
        return result

    def _key(self, command: Sequence[str]) -> str:
        """Of all that the builder reads; empty where that cannot be told, as in a tree that is too deep or large."""
        left = _MOST_ENTRIES
        digest = hashlib.sha256(repr((list(command), self._devices, os.uname()[2:])).encode())
        try:
            for folder in (*_BY_STATUS, *_BY_CONTENT):
                for found in _entries(self._tree, folder, with_content=folder in _BY_CONTENT):
                    digest.update(repr(found).encode())
                    left -= 1
                    if not left:
                        return ""
        except (OSError, RecursionError):
            return ""
        return digest.hexdigest()

    def _recall(self, key: str) -> bytes | None:
        try:
            with (self._folder / key).open("rb") as file:
                wanted, output = file.read(_SUM_BYTES), file.read()
        except OSError:
            return None
        return output if hashlib.sha256(output).digest() == wanted else None

    def _keep(self, key: str, output: bytes) -> None:
        """A helper without room for it builds again, and keeps the room for what the transfer writes."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._forget()
            # A file that a crash left in part does not have its sum. Two writes: an image is large for a helper VM.
            with (self._folder / key).open("wb") as file:
                file.write(hashlib.sha256(output).digest())
                file.write(output)
        except OSError:
            with suppress(OSError):
                self._forget()

    def _forget(self) -> None:
        for old in self._folder.iterdir():
            old.unlink()


def _entries(tree: Tree, folder: str, *, with_content: bool) -> Iterator[object]:
    """What there is in a folder of the root, and below it, in a fixed order; links are not followed. Raises OSError."""
    path = f"/{folder}"
    target = tree.link_target(path)
    yield path, target
    if target is not None or not tree.is_directory(path):
        return
    top = tree.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for inner, folders, names, descriptor in os.fwalk(".", dir_fd=top, onerror=_raise):
            folders.sort()
            yield inner
            for name in sorted((*folders, *names)):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                owner = (status.st_uid, status.st_gid)
                yield name, status.st_mode, owner, _what(name, descriptor, status, with_content=with_content)
    finally:
        os.close(top)


def _what(name: str, folder: int, status: os.stat_result, *, with_content: bool) -> object:
    """What tells one entry of that name from another. Raises OSError."""
    if stat.S_ISDIR(status.st_mode):
        return None
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(name, dir_fd=folder)
    if not with_content or not stat.S_ISREG(status.st_mode) or status.st_size > _CONTENT_LIMIT_BYTES:
        return status.st_ino, status.st_size, status.st_rdev, status.st_mtime_ns, status.st_ctime_ns
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _raise(error: OSError) -> None:
    raise error
