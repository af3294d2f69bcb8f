"""A read-only view of the copied system. It is hostile: nothing it says leads out of it or fills the memory."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from agents.target.rooted import open_in_root

# Configuration files are small; whatever is larger is none.
CONFIG_LIMIT_BYTES: Final = 1 << 20
_LIST_LIMIT: Final = 100_000


class Tree:
    """The system below root, as a program in it would see it. Paths are absolute (``/etc/fstab``)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the tree, so that it can be unmounted. May be repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of what path leads to. Raises OSError."""
        return open_in_root(self._fd, path, flags)

    def status(self, path: str) -> os.stat_result | None:
        """The status of what path leads to, links followed; None when there is nothing."""
        try:
            descriptor = self.open(path, os.O_PATH)
        except OSError:
            return None
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def is_file(self, path: str) -> bool:
        """Whether path leads to a regular file."""
        status = self.status(path)
        return status is not None and stat.S_ISREG(status.st_mode)

    def is_directory(self, path: str) -> bool:
        """Whether path leads to a directory."""
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_program(self, path: str) -> bool:
        """Whether path leads to a regular file that may be executed."""
        status = self.status(path)
        return status is not None and stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o111)

    def link_target(self, path: str) -> str | None:
        """What the symbolic link at path says; None when there is none."""
        try:
            descriptor = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return os.readlink("", dir_fd=descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def read(self, path: str, *, limit_bytes: int = CONFIG_LIMIT_BYTES) -> bytes | None:
        """The content of a regular file; None when there is none, or when it is larger than the limit."""
        try:
            # Without O_NONBLOCK a FIFO would hold the agent up.
            descriptor = self.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            # Python takes the memory for what is asked for at once: a helper VM has less than the largest limit.
            content = file.read(status.st_size + 1)
        return content if len(content) <= limit_bytes else None

    def text(self, path: str) -> str | None:
        """A configuration file's text; bytes that are not UTF-8 survive a round trip."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    def names(self, path: str) -> list[str]:
        """The sorted names in a directory; none when it is not one."""
        try:
            descriptor = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return sorted(os.listdir(descriptor))[:_LIST_LIMIT]
        finally:
            os.close(descriptor)

    def real_path(self, path: str) -> str:
        """Path with every symbolic link resolved inside the tree; path itself when it leads nowhere."""
        return self._resolved(path) or path

    def _resolved(self, path: str) -> str | None:
        try:
            descriptor = open_in_root(self._fd, path, os.O_PATH)
        except OSError:
            return None
        try:
            found = os.readlink(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        below = found.removeprefix(str(self.root.resolve()))
        return below if below.startswith("/") else "/"

    def place_of(self, path: str) -> str:
        """Path with the links of its folder resolved as far as that is there; the last name is not followed."""
        folder, _, name = path.rstrip("/").rpartition("/")
        missing: list[str] = []
        while folder and self.status(folder) is None:
            folder, _, part = folder.rpartition("/")
            missing.insert(0, part)
        return "/".join([self.real_path(folder or "/").rstrip("/"), *missing, name])


def encode(text: str) -> bytes:
    """The inverse of Tree.text."""
    return text.encode("utf-8", "surrogateescape")
