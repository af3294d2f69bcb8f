"""A collected log: what of a hostile agent's parts is taken, and how they become text that can be read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import zstandard

from contracts.base import Model
from contracts.errors import Failure
from contracts.errors.registry import LOG_NOT_SENT
from contracts.masking import mask_text
from contracts.messages.agent_log import LOG_CHUNK_BYTES, LOG_CHUNKS, LOG_TEXT_BYTES, AgentLogChunk
from contracts.messages.server_log import ServerLogState, ServerLogView

# As JSON in UTF-8 a part fits into a bus message, whatever is in it.
PART_CHARACTERS: Final = 200_000
_MAX_WINDOW_BYTES: Final = 8 << 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class LogRefusedError(ValueError):
    """What an agent sent as its log is none."""


class ServerLog(Model):
    """A log of a server's agent. count, sha256: as the first part said, 0 and "" before it. parts: of the text.

    version: of the record that it was loaded from, 0 for a new one.
    """

    id: str
    account: str
    server_id: str
    state: ServerLogState = "requested"
    requested_at: datetime
    completed_at: datetime | None = None
    size_bytes: int = 0
    parts: int = 0
    count: int = 0
    sha256: str = ""
    failure: Failure | None = None
    version: int = 0


class LogChunk(Model):
    """A part as the agent sent it: base64."""

    content: str


class LogPart(Model):
    """A part of the text: base64 of a zstd frame of UTF-8."""

    zstd: str


def log_id_for(account: str, server_id: str, idempotency_key: str) -> str:
    """The same for a repeated request."""
    return hashlib.sha256(f"server-log\n{account}\n{server_id}\n{idempotency_key}".encode()).hexdigest()[:32]


def with_chunk(log: ServerLog, chunk: AgentLogChunk) -> ServerLog:
    """The log with what a part says of the whole. Raises LogRefusedError for one that cannot be right."""
    if not 1 <= chunk.count <= LOG_CHUNKS:
        raise LogRefusedError(f"it has {chunk.count} parts; 1 to {LOG_CHUNKS} are possible")
    if not 0 <= chunk.number < chunk.count:
        raise LogRefusedError(f"part {chunk.number} is not one of {chunk.count}")
    if not _DIGEST.fullmatch(chunk.sha256):
        raise LogRefusedError("its digest is none")
    if log.count and (log.count, log.sha256) != (chunk.count, chunk.sha256):
        raise LogRefusedError("its parts are not of one log")
    size = len(_decoded(chunk.content))
    if size > LOG_CHUNK_BYTES:
        raise LogRefusedError(f"part {chunk.number} has {size} bytes; {LOG_CHUNK_BYTES} are possible")
    return log.model_copy(update={"count": chunk.count, "sha256": chunk.sha256})


def text_of(log: ServerLog, chunks: Sequence[LogChunk]) -> str:
    """The text that all parts, in order, make up: masked once more, without control characters.

    Raises LogRefusedError: the digest differs, the frame is damaged, or unpacks to more than LOG_TEXT_BYTES.
    """
    frame = b"".join(_decoded(chunk.content) for chunk in chunks)
    if hashlib.sha256(frame).hexdigest() != log.sha256:
        raise LogRefusedError("its parts are not what its digest says")
    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(io.BytesIO(frame)) as reader:
            text = reader.read(LOG_TEXT_BYTES + 1)
    except zstandard.ZstdError as error:
        raise LogRefusedError("it cannot be unpacked") from error
    if len(text) > LOG_TEXT_BYTES:
        raise LogRefusedError(f"it unpacks to more than {LOG_TEXT_BYTES} bytes")
    readable = text.decode(errors="replace").replace("\r\n", "\n")
    return mask_text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", readable))


def parts_of(text: str) -> list[LogPart]:
    """The text as it is stored; at least one part."""
    pieces = [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)] or [""]
    compressor = zstandard.ZstdCompressor(level=6)
    return [LogPart(zstd=base64.b64encode(compressor.compress(piece.encode())).decode()) for piece in pieces]


def text_of_part(part: LogPart) -> str:
    """The text of a stored part."""
    return zstandard.ZstdDecompressor().decompress(base64.b64decode(part.zstd)).decode()


def is_under_way(log: ServerLog, *, now: datetime, within_s: float) -> bool:
    """Whether the agent may still be sending it."""
    return log.state == "requested" and now - log.requested_at < timedelta(seconds=within_s)


def show_log(log: ServerLog, *, now: datetime, within_s: float) -> ServerLogView:
    """A log as it is listed; one that was not sent in time has failed."""
    is_late = log.state == "requested" and not is_under_way(log, now=now, within_s=within_s)
    return ServerLogView(
        log_id=log.id,
        server_id=log.server_id,
        state="failed" if is_late else log.state,
        requested_at=log.requested_at,
        completed_at=log.completed_at,
        size_bytes=log.size_bytes,
        failure=LOG_NOT_SENT.failure(server_id=log.server_id, seconds=f"{within_s:g}") if is_late else log.failure,
    )


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LogRefusedError("a part is no base64") from error
