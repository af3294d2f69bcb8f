"""The target's journal: how far it got, in a file that survives a kill at any moment."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import xxhash
from pydantic import Field, ValidationError

from contracts.base import Model

_SLOT_BYTES = 64 << 10
_KEPT_SESSIONS = 32


class SessionMark(Model):
    """One session: its first sequence, and the last ones written and on disk (first - 1 for none)."""

    first: int = Field(ge=1)
    applied: int = Field(ge=0)
    durable: int = Field(ge=0)


class JournalState(Model):
    """Everything the journal holds. The byte counts are of frames on the wire, each counted once."""

    target_id: str
    boot_id: str
    sessions: tuple[SessionMark, ...] = ()
    highest_seen: int = 0
    applied_bytes: int = 0
    durable_bytes: int = 0


class Journal:
    """Two slots written in turn, each with a counter and a checksum: a torn write loses only itself."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._counter = 0
        self.state = self._read()

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)

    def write(self, state: JournalState, *, is_durable: bool) -> None:
        """Replace the state; is_durable waits until it is on disk (else it survives a kill, not a power cut)."""
        self._counter += 1
        body = state.model_dump_json().encode()
        slot = b"%020d %016x %010d " % (self._counter, xxhash.xxh3_64_intdigest(body), len(body)) + body
        if len(slot) > _SLOT_BYTES:
            raise ValueError(f"journal state of {len(slot)} bytes")
        os.pwrite(self._descriptor, slot, (self._counter % 2) * _SLOT_BYTES)
        if is_durable:
            os.fdatasync(self._descriptor)
        self.state = state

    def _read(self) -> JournalState:
        found: list[tuple[int, JournalState]] = []
        for index in (0, 1):
            slot = os.pread(self._descriptor, _SLOT_BYTES, index * _SLOT_BYTES)
            try:
                counter, checksum, length = int(slot[:20]), int(slot[21:37], 16), int(slot[38:48])
                body = slot[49 : 49 + length]
                if xxhash.xxh3_64_intdigest(body) == checksum:
                    found.append((counter, JournalState.model_validate_json(body)))
            except (ValueError, ValidationError):
                continue
        if not found:
            return JournalState(target_id=uuid.uuid4().hex, boot_id=boot_id())
        self._counter, state = max(found, key=lambda item: item[0])
        return state


def boot_id() -> str:
    """Identity of the running kernel's boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def after_restart(state: JournalState, *, applied_survives: bool) -> JournalState:
    """What is still held after the process was started again: what was applied if the same kernel still has the
    file system mounted, else only what was on disk."""
    here = boot_id()
    if applied_survives and state.boot_id == here:
        return state
    sessions = tuple(mark.model_copy(update={"applied": mark.durable}) for mark in state.sessions)
    changes = {"sessions": sessions, "boot_id": here, "applied_bytes": state.durable_bytes}
    return state.model_copy(update=changes)


def with_session(state: JournalState, first: int) -> JournalState:
    """A new session. Old ones are forgotten once all they hold is on disk, but for the last few."""
    marks = (*state.sessions, SessionMark(first=first, applied=first - 1, durable=first - 1))
    recent = marks[-_KEPT_SESSIONS:]
    kept = tuple(mark for mark in marks[:-_KEPT_SESSIONS] if mark.durable < mark.applied)
    return state.model_copy(update={"sessions": kept + recent})
