"""Collected logs in the store: each with the parts that have come, then with its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts import subjects
from contracts.messages.server_log import ServerLogCollected
from services.registry.domain.logs import LogChunk, LogPart, ServerLog
from shared.store import Collection, OutgoingMessage, Store
from shared.store.port import ConflictError
from shared.store.typed import TypedCollection

SERVICE: Final = "registry"
LOGS: Final = Collection(name="logs", fields=("server_id",))
LOG_CHUNKS: Final = Collection(name="log_chunks")
LOG_PARTS: Final = Collection(name="log_parts")
_NUMBER_DIGITS: Final = 4
# More than a server ever has.
_PAGE: Final = 200


class LogRecords:
    """Writes raise ConflictError when another one came between."""

    def __init__(self, store: Store) -> None:
        self._logs = TypedCollection(store, LOGS, ServerLog)
        self._chunks = TypedCollection(store, LOG_CHUNKS, LogChunk)
        self._parts = TypedCollection(store, LOG_PARTS, LogPart)

    async def load(self, account: str, log_id: str) -> ServerLog | None:
        """The log, or None."""
        stored = await self._logs.load(account, log_id) if log_id else None
        return stored.value.model_copy(update={"version": stored.version}) if stored else None

    async def of_server(self, account: str, server_id: str) -> list[ServerLog]:
        """All that are kept, newest first."""
        stored = await self._logs.find(account, {"server_id": server_id}, limit=_PAGE)
        found = [each.value.model_copy(update={"version": each.version}) for each in stored]
        return sorted(found, key=lambda log: (log.requested_at, log.id), reverse=True)

    async def save(self, log: ServerLog) -> ServerLog:
        """Create (version 0) or replace it; returns it with its new version."""
        version = await self._logs.save(log.account, log.id, log, expected_version=log.version)
        return log.model_copy(update={"version": version})

    async def chunk(self, log: ServerLog, number: int) -> LogChunk | None:
        """A part that has come, or None."""
        stored = await self._chunks.load(log.account, _key(log.id, number))
        return stored.value if stored else None

    async def save_chunk(self, log: ServerLog, number: int, chunk: LogChunk) -> ServerLog:
        """Keep a part, together with what it says of the log."""
        also = [self._chunks.record(log.account, _key(log.id, number), chunk)]
        version = await self._logs.save(log.account, log.id, log, expected_version=log.version, also=also)
        return log.model_copy(update={"version": version})

    async def end(self, log: ServerLog, parts: Sequence[LogPart] = ()) -> None:
        """Keep the log as complete, with its text, or as failed; say so, and let go of what the agent sent."""
        event = OutgoingMessage.of(
            subjects.evt(log.account, "server", log.server_id, "log-collected"),
            ServerLogCollected(server_id=log.server_id, log_id=log.id, size_bytes=log.size_bytes, failure=log.failure),
            source=SERVICE,
            account=log.account,
            message_id=f"{log.id}:{log.version + 1}:log-collected",
        )
        also = [self._parts.record(log.account, _key(log.id, number), part) for number, part in enumerate(parts)]
        await self._logs.save(log.account, log.id, log, expected_version=log.version, also=also, outbox=[event])
        await self._remove(self._chunks, log)

    async def part(self, log: ServerLog, number: int) -> LogPart | None:
        """A part of the text, or None."""
        stored = await self._parts.load(log.account, _key(log.id, number))
        return stored.value if stored else None

    async def remove(self, log: ServerLog) -> None:
        """Delete it with all that belongs to it; the log last, so that a kill leaves it to be removed again."""
        await self._remove(self._chunks, log)
        await self._remove(self._parts, log)
        await self._logs.delete(log.account, log.id, expected_version=log.version)

    @staticmethod
    async def _remove(collection: TypedCollection[LogChunk] | TypedCollection[LogPart], log: ServerLog) -> None:
        for stored in await collection.find(log.account, after=f"{log.id}:", limit=_PAGE):
            if not stored.id.startswith(f"{log.id}:"):
                return
            try:
                await collection.delete(log.account, stored.id, expected_version=stored.version)
            except ConflictError:
                continue


def _key(log_id: str, number: int) -> str:
    return f"{log_id}:{number:0{_NUMBER_DIGITS}}"
