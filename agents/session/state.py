"""What the session must not forget: who the agent is, statuses not yet acknowledged, commands applied."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from contracts.errors import MigrationError
from contracts.errors.agent import ALREADY_RUNNING

_T = TypeVar("_T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    agent_id TEXT NOT NULL, account TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS unsent (sequence INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL,
    kind TEXT NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL, task_id TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS applied (task_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, verb TEXT NOT NULL,
    is_done INTEGER NOT NULL DEFAULT 0, result BLOB);
"""


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """A status on its way. sequence is 0 before it is kept."""

    message_id: str
    kind: str
    type: str
    version: int
    task_id: str
    payload: bytes
    sequence: int = 0


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The newest command of a task. result: the payload of its AgentResult, None while there is none."""

    task_id: str
    epoch: int
    verb: str
    is_done: bool = False
    result: bytes | None = None


class SessionState:
    """An SQLite file; every change is on disk when the call returns. One process at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises MigrationError SMS.AGENT.ALREADY_RUNNING."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_descriptor = os.open(folder / "session.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock_descriptor)
            raise MigrationError(ALREADY_RUNNING, state_folder=folder) from error
        self._database = sqlite3.connect(folder / "session.sqlite", isolation_level=None, check_same_thread=False)
        (folder / "session.sqlite").chmod(0o600)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        # A thread of its own: the default pool may be full of copying, and a status must not wait for that.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="session-state")

    def identity(self) -> tuple[str, str] | None:
        """(agent id, account) after the enrolment."""
        row = self._database.execute("SELECT agent_id, account FROM identity").fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    async def keep_identity(self, agent_id: str, account: str) -> None:
        """Remember who the agent is."""
        await self._run("INSERT OR REPLACE INTO identity VALUES (1, ?, ?)", agent_id, account)

    async def keep(self, status: Unsent, *, replaces_kind: bool) -> None:
        """Queue a status. replaces_kind: one of the same kind that has not left is dropped, being outdated."""

        def change() -> None:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                if replaces_kind:
                    self._database.execute("DELETE FROM unsent WHERE kind = ?", (status.kind,))
                self._database.execute(
                    "INSERT INTO unsent (message_id, kind, type, version, task_id, payload) VALUES (?, ?, ?, ?, ?, ?)",
                    (status.message_id, status.kind, status.type, status.version, status.task_id, status.payload),
                )
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise

        await self._call(change)

    async def oldest_unsent(self) -> Unsent | None:
        """The status that must leave next."""

        def read() -> Unsent | None:
            row = self._database.execute(
                "SELECT sequence, message_id, kind, type, version, task_id, payload FROM unsent ORDER BY sequence"
            ).fetchone()
            if row is None:
                return None
            sequence, message_id, kind, type_name, version, task_id, payload = row
            return Unsent(
                sequence=sequence,
                message_id=message_id,
                kind=kind,
                type=type_name,
                version=version,
                task_id=task_id,
                payload=payload,
            )

        return await self._call(read)

    async def forget_unsent(self, sequence: int) -> None:
        """The bus has it on disk."""
        await self._run("DELETE FROM unsent WHERE sequence = ?", sequence)

    async def applied(self, task_id: str) -> Applied | None:
        """The newest command of a task that was accepted."""

        def read() -> Applied | None:
            row = self._database.execute(
                "SELECT task_id, epoch, verb, is_done, result FROM applied WHERE task_id = ?", (task_id,)
            ).fetchone()
            if row is None:
                return None
            return Applied(task_id=row[0], epoch=row[1], verb=row[2], is_done=bool(row[3]), result=row[4])

        return await self._call(read)

    async def accept(self, task_id: str, epoch: int, verb: str) -> None:
        """Remember a command before it is acknowledged."""
        await self._run(
            "INSERT OR REPLACE INTO applied (task_id, epoch, verb, is_done, result) VALUES (?, ?, ?, 0, NULL)",
            task_id,
            epoch,
            verb,
        )

    async def keep_result(self, task_id: str, epoch: int, verb: str, payload: bytes) -> None:
        """Remember a result for a repeated command; that of an older command is not needed again."""
        await self._run(
            "UPDATE applied SET is_done = 1, result = ? WHERE task_id = ? AND epoch = ? AND verb = ?",
            payload,
            task_id,
            epoch,
            verb,
        )

    async def mark_done(self, task_id: str, epoch: int, verb: str) -> None:
        """The command has ended."""
        await self._run(
            "UPDATE applied SET is_done = 1 WHERE task_id = ? AND epoch = ? AND verb = ?", task_id, epoch, verb
        )

    def close(self) -> None:
        """Release the file and the lock."""
        self._thread.shutdown(wait=True)
        self._database.close()
        os.close(self._lock_descriptor)

    async def _run(self, statement: str, *values: str | int | bytes) -> None:
        await self._call(lambda: self._database.execute(statement, values))

    async def _call(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
