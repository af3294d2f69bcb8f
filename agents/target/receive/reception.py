"""Order and watermarks of a session: which frames have been applied, which are on disk, which may go next."""

from __future__ import annotations

import threading

from agents.target.receive.journal import Journal, JournalState, after_restart, with_session
from agents.transfer.frames import Frame, protocol_error
from contracts.errors.code import Failure

_MAX_OUT_OF_ORDER = 1 << 20


class Reception:
    """Shared by the threads of all data connections. The journal is written before anything is acknowledged."""

    def __init__(self, journal: Journal, *, applied_survives_restart: bool) -> None:
        self._journal = journal
        self._state = after_restart(journal.state, applied_survives=applied_survives_restart)
        journal.write(self._state, is_durable=True)
        self._condition = threading.Condition()
        self._applied = self._state.sessions[-1].applied if self._state.sessions else 0
        self._durable = self._state.sessions[-1].durable if self._state.sessions else 0
        self._ahead: dict[int, int] = {}
        self._highest = self._state.highest_seen
        self._applied_bytes = self._state.applied_bytes
        self._failure: Failure | None = None
        self._is_open = False
        self._is_stopping = False
        self._are_old_behind = _are_behind(self._state)

    @property
    def state(self) -> JournalState:
        """What is held, as the journal would say it now."""
        with self._condition:
            return self._current()

    @property
    def failure(self) -> Failure | None:
        """Why frames are refused, if they are."""
        return self._failure

    def open_session(self, first: int, *, is_continued: bool) -> None:
        """Accept frames: of a new session, or further ones of the last."""
        with self._condition:
            if is_continued and not self._state.sessions:
                raise protocol_error("a session that is not known was to be continued")
            if not is_continued:
                if first <= self._highest:
                    raise protocol_error("a session that starts among old sequences")
                current = self._current()
                self._are_old_behind = _are_behind(current)
                self._state = with_session(current, first)
                self._applied = self._durable = first - 1
                self._highest = first - 1
            self._ahead.clear()
            self._failure = None
            self._is_open = True
            self._journal.write(self._current(), is_durable=True)

    def close_session(self) -> None:
        """Refuse further frames; threads that wait for earlier frames give up."""
        with self._condition:
            self._is_open = False
            self._condition.notify_all()

    def stop(self) -> None:
        """Let threads that wait for work look up, as there will be none."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()

    def fail(self, failure: Failure) -> None:
        """Refuse further frames because of a failure; the first one stays."""
        with self._condition:
            self._failure = self._failure or failure
            self._is_open = False
            self._condition.notify_all()

    def admit(self, frame: Frame) -> bool:
        """Wait until a frame may be applied. False when it already was, or when the session ended."""
        with self._condition:
            if frame.sequence == 0 or frame.after >= frame.sequence or len(self._ahead) > _MAX_OUT_OF_ORDER:
                raise protocol_error("frame without a proper place in the order")
            self._highest = max(self._highest, frame.sequence)
            if frame.sequence <= self._applied or frame.sequence in self._ahead:
                return False
            self._condition.wait_for(lambda: self._applied >= frame.after or not self._is_open)
            return self._is_open

    def done(self, frame: Frame) -> None:
        """A frame has been applied."""
        with self._condition:
            self._ahead[frame.sequence] = frame.wire_bytes
            while (size := self._ahead.pop(self._applied + 1, None)) is not None:
                self._applied += 1
                self._applied_bytes += size
            self._condition.notify_all()

    def wait_for_progress(self, known: tuple[int, int], timeout_s: float) -> tuple[int, int]:
        """Applied and durable watermark, as soon as they differ from the known ones or the time is over."""
        with self._condition:
            self._condition.wait_for(
                lambda: (self._applied, self._durable) != known or self._failure or not self._is_open, timeout_s
            )
            marks = (self._applied, self._durable)
            self._journal.write(self._current(), is_durable=False)
            return marks

    def wait_for_work(self, timeout_s: float) -> tuple[int, int]:
        """The applied watermark and byte count, once there is something that is not on disk (or time is over)."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._applied > self._durable or self._are_old_behind or self._is_stopping, timeout_s
            )
            return self._applied, self._applied_bytes

    def is_behind(self) -> bool:
        """Whether something applied is not yet on disk."""
        with self._condition:
            return self._applied > self._durable or self._are_old_behind

    def mark_durable(self, applied: int, applied_bytes: int) -> None:
        """Everything up to a watermark is on disk; so is this knowledge when the call returns."""
        with self._condition:
            # A session that began meanwhile has a later start: then this mark belongs to the sessions before it.
            current = self._current()
            sessions = tuple(
                mark.model_copy(update={"durable": max(mark.durable, min(mark.applied, applied))})
                if mark.first <= applied + 1
                else mark
                for mark in current.sessions
            )
            self._state = current.model_copy(update={"sessions": sessions, "durable_bytes": applied_bytes})
            if sessions:
                self._durable = sessions[-1].durable
            self._are_old_behind = any(mark.durable < mark.applied for mark in sessions[:-1])
            self._journal.write(self._current(), is_durable=True)
            self._condition.notify_all()

    def _current(self) -> JournalState:
        sessions = self._state.sessions
        if sessions:
            last = sessions[-1].model_copy(update={"applied": self._applied, "durable": self._durable})
            sessions = (*sessions[:-1], last)
        changes = {"sessions": sessions, "highest_seen": self._highest, "applied_bytes": self._applied_bytes}
        return self._state.model_copy(update=changes)


def _are_behind(state: JournalState) -> bool:
    return any(mark.durable < mark.applied for mark in state.sessions)
