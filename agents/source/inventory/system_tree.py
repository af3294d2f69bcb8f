"""Reading files of a system tree whose symbolic links must not lead out of it (openat2, RESOLVE_IN_ROOT)."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SYS_OPENAT2 = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
# The largest file that is read here is a grub.cfg; a hostile tree may hold anything under its name.
_LARGEST_TEXT_BYTES = 4 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class SystemTree:
    """The tree of a system, seen as if it were mounted on "/".

    For the running system's own root plain opens are used, which also work before Linux 5.6; any other root
    needs openat2, since absolute links in it must be taken as relative to it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.is_live = root == Path("/")
        self._descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> SystemTree:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def _open(self, path: str, flags: int) -> int:
        if self.is_live:
            return os.open(path, flags | os.O_CLOEXEC)
        how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        name = os.fsencode(path)
        descriptor: int = _libc.syscall(
            _SYS_OPENAT2, self._descriptor, ctypes.c_char_p(name), ctypes.byref(how), ctypes.sizeof(how)
        )
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return descriptor

    @contextmanager
    def open_file(self, path: str) -> Iterator[int]:
        """A descriptor of the regular file that path leads to. Raises OSError, also when it is something else."""
        # O_NONBLOCK: a FIFO planted under the name must not stop the agent.
        descriptor = self._open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            yield descriptor
        finally:
            os.close(descriptor)

    def path_of(self, descriptor: int) -> str:
        """The path in this tree of an open file, without symbolic links. Raises OSError when it is not in it."""
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not path.is_relative_to(self.root):
            raise OSError(errno.EXDEV, "outside of the tree", str(path))
        return str("/" / path.relative_to(self.root))

    def read_bytes(self, path: str, limit: int = _LARGEST_TEXT_BYTES) -> bytes:
        """The first bytes of a regular file; b"" when there is none or it is something else."""
        try:
            # O_NONBLOCK: a FIFO planted under the name must not stop the agent.
            descriptor = self._open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                raise
            return b""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            chunks: list[bytes] = []
            while limit > 0 and (chunk := os.read(descriptor, min(limit, 1 << 20))):
                chunks.append(chunk)
                limit -= len(chunk)
            return b"".join(chunks)
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def read_text(self, path: str) -> str:
        """A regular file as text (bytes that are not UTF-8 are replaced); "" when there is none."""
        return self.read_bytes(path).decode("utf-8", "replace")

    def stat(self, path: str) -> os.stat_result | None:
        """What a path leads to, links followed inside the tree; None when there is nothing."""
        try:
            descriptor = self._open(path, os.O_PATH)
        except OSError:
            return None
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def is_file(self, path: str) -> bool:
        """Whether a path leads to a regular file."""
        found = self.stat(path)
        return found is not None and stat.S_ISREG(found.st_mode)

    def is_directory(self, path: str) -> bool:
        """Whether a path leads to a directory."""
        found = self.stat(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted; empty when it is none."""
        try:
            descriptor = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return sorted(os.listdir(descriptor))
        finally:
            os.close(descriptor)
