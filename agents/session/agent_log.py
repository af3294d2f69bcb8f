"""The agent's own log: kept in a few bounded files, secrets masked, and sent when it is asked for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import time
from collections.abc import Awaitable, Callable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

import zstandard

from contracts.base import Message
from contracts.masking import mask_text
from contracts.messages.agent_log import LOG_CHUNK_BYTES, LOG_TEXT_BYTES, AgentLogChunk, CollectLog

_FOLDER: Final = "log"
_FILE: Final = "agent.log"
# Together more than is ever collected.
_FILE_BYTES: Final = 1 << 20
_OLDER_FILES: Final = 3
_LONGEST_SECRET_BYTES: Final = 32 << 10
_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"


def keep_log(state_folder: Path) -> None:
    """From now on write what this process logs into the state folder as well, at most 4 MiB of it."""
    folder = state_folder / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _OwnFile(folder / _FILE, maxBytes=_FILE_BYTES, backupCount=_OLDER_FILES, encoding="utf-8")
    handler.setFormatter(_Masked(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


class LogSender:
    """Carries out collect-log. publish: AgentSession.publish_status."""

    def __init__(self, state_folder: Path, publish: Callable[[Message], Awaitable[None]]) -> None:
        self._folder = state_folder / _FOLDER
        self._publish = publish

    async def send(self, command: CollectLog) -> None:
        """Read, mask, compress and send."""
        for chunk in await asyncio.to_thread(self._chunks, command):
            await self._publish(chunk)

    def _chunks(self, command: CollectLog) -> list[AgentLogChunk]:
        text = newest_text(self._folder, max_bytes=max(1, min(command.max_bytes, LOG_TEXT_BYTES)))
        return log_chunks(command.log_id, text)


def log_chunks(log_id: str, text: bytes) -> list[AgentLogChunk]:
    """A log as the statuses that bring it."""
    frame = zstandard.ZstdCompressor(level=6).compress(text)
    parts = [frame[start : start + LOG_CHUNK_BYTES] for start in range(0, len(frame), LOG_CHUNK_BYTES)]
    digest = hashlib.sha256(frame).hexdigest()
    return [
        AgentLogChunk(
            log_id=log_id,
            number=number,
            count=len(parts),
            sha256=digest,
            content=base64.b64encode(part).decode(),
        )
        for number, part in enumerate(parts)
    ]


def newest_text(folder: Path, *, max_bytes: int) -> bytes:
    """The newest whole lines of a log folder, masked, UTF-8, at most max_bytes."""
    files = [folder / f"{_FILE}.{number}" for number in range(_OLDER_FILES, 0, -1)]
    raw = b"".join(_read(path) for path in (*files, folder / _FILE))
    # Masked before it is cut to its size: what is left of a key that was cut in two may look like none.
    text = raw[-max_bytes - _LONGEST_SECRET_BYTES :].decode(errors="replace")
    return _newest_lines(mask_text(text).encode(), max_bytes)


def _newest_lines(text: bytes, max_bytes: int) -> bytes:
    if len(text) <= max_bytes:
        return text
    cut = text[-max_bytes:]
    return cut[cut.find(b"\n") + 1 :]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class _OwnFile(RotatingFileHandler):
    """Readable by the agent alone."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


class _Masked(logging.Formatter):
    @staticmethod
    def converter(seconds: float | None) -> time.struct_time:
        """UTC."""
        return time.gmtime(seconds)

    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))
