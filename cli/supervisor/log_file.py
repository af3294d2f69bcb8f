"""A child's output in a file that does not grow without end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024
KEPT_FILES = 3
_CHUNK_BYTES = 64 * 1024


class RotatingLog:
    """Appends to a file; at max_bytes it becomes ``.1``, what was ``.1`` becomes ``.2``, and so on."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept_files = kept_files
        self._stream: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Append; rotates first when the data would make the file too large."""
        stream = self._open()
        if stream.tell() and stream.tell() + len(data) > self._max_bytes:
            self._rotate()
            stream = self._open()
        stream.write(data)
        stream.flush()

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Write everything that comes from a pipe, until its end."""
        while data := await reader.read(_CHUNK_BYTES):
            self.write(data)

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._path.touch(mode=0o600)
            self._stream = self._path.open("ab")
        return self._stream

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept_files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def last_lines(path: Path, *, count: int = 5, max_bytes: int = 4096) -> str:
    """The end of a log for an error message; empty when there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - max_bytes))
            lines = stream.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-count:])
