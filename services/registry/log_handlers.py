"""Has agents send their logs, takes what they send, and hands the text out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.platform import SERVICE_UNAVAILABLE
from contracts.errors.registry import LOG_AGENT_AWAY, LOG_NOT_FOUND, LOG_REFUSED, SERVER_NOT_FOUND
from contracts.messages.agent import CommandAcknowledged
from contracts.messages.agent_log import AgentLogChunk, CollectLog
from contracts.messages.registry import ServerDeleted
from contracts.messages.reply import Accepted
from contracts.messages.server_log import (
    CollectServerLog,
    ListServerLogs,
    ReadServerLog,
    ServerLogList,
    ServerLogPart,
)
from contracts.subjects import owner_of_agent_subject
from services.registry.domain.logs import (
    LogChunk,
    LogRefusedError,
    ServerLog,
    is_under_way,
    log_id_for,
    parts_of,
    show_log,
    text_of,
    text_of_part,
    with_chunk,
)
from services.registry.domain.ports import Clock, Servers
from services.registry.log_records import LogRecords
from services.registry.settings import RegistrySettings
from shared.telemetry import log as say

ACKNOWLEDGED_WITHIN_S: Final = 5.0

# Account, server, command, and the request that led to it. Raises MigrationError when the agent does not answer.
SendCommand = Callable[[str, str, CollectLog, Envelope], Awaitable[CommandAcknowledged]]


class LogHandlers:
    """send: the command as a request to the agent."""

    def __init__(
        self, records: LogRecords, servers: Servers, send: SendCommand, settings: RegistrySettings, clock: Clock
    ) -> None:
        self._records = records
        self._servers = servers
        self._send = send
        self._within_s = settings.log_within_s
        self._kept = settings.logs_per_server
        self._clock = clock

    async def collect(self, request: CollectServerLog, envelope: Envelope) -> Accepted:
        """Raises SMS.REGISTRY.SERVER_NOT_FOUND, LOG_AGENT_AWAY, or what the agent refuses with."""
        account, server_id = envelope.account, request.server_id
        await self._check_known(server_id, envelope)
        key = request.idempotency_key or uuid.uuid4().hex
        log_id = log_id_for(account, server_id, key)
        logs = await self._records.of_server(account, server_id)
        for known in logs:
            if known.id == log_id and known.failure is not None:
                raise MigrationError(known.failure)
            if known.id == log_id or is_under_way(known, now=self._clock(), within_s=self._within_s):
                return Accepted(id=known.id)
        for old in logs[self._kept - 1 :]:
            await self._records.remove(old)
        log = await self._records.save(
            ServerLog(id=log_id, account=account, server_id=server_id, requested_at=self._clock())
        )
        if failure := await self._command(log, envelope):
            await self._records.end(_failed(log, failure))
            raise MigrationError(failure)
        return Accepted(id=log_id)

    async def list_logs(self, request: ListServerLogs, envelope: Envelope) -> ServerLogList:
        """Raises SMS.REGISTRY.SERVER_NOT_FOUND."""
        await self._check_known(request.server_id, envelope)
        logs = await self._records.of_server(envelope.account, request.server_id)
        return ServerLogList(logs=tuple(show_log(log, now=self._clock(), within_s=self._within_s) for log in logs))

    async def read(self, request: ReadServerLog, envelope: Envelope) -> ServerLogPart:
        """Raises SMS.REGISTRY.SERVER_NOT_FOUND, LOG_NOT_FOUND."""
        await self._check_known(request.server_id, envelope)
        logs = await self._records.of_server(envelope.account, request.server_id)
        wanted = [each for each in logs if each.state == "complete" and request.log_id in ("", each.id)]
        part = await self._records.part(wanted[0], request.part) if wanted and request.part >= 0 else None
        if part is None:
            what = f"complete log {request.log_id}".strip() + (f" with a part {request.part}" if request.part else "")
            raise MigrationError(LOG_NOT_FOUND, server_id=request.server_id, what=what)
        return ServerLogPart(
            log=show_log(wanted[0], now=self._clock(), within_s=self._within_s),
            part=request.part,
            parts=wanted[0].parts,
            text=text_of_part(part),
        )

    async def on_chunk(self, message: AgentLogChunk, envelope: Envelope) -> None:
        """Keep a part of a log that was asked for; with the last one the log is complete. In any order, since the bus
        delivers again what could not be kept at once."""
        account, server_id = owner_of_agent_subject(envelope.subject)
        log = await self._records.load(account, message.log_id)
        if log is None or log.server_id != server_id or log.state != "requested":
            say("log not asked for", account=account, server_id=server_id)
            return
        try:
            log = await self._take(log, message)
            chunks = [await self._records.chunk(log, number) for number in range(log.count)]
            present = [chunk for chunk in chunks if chunk is not None]
            if len(present) == log.count:
                await self._complete(log, await asyncio.to_thread(text_of, log, present))
        except LogRefusedError as error:
            failure = LOG_REFUSED.failure(server_id=server_id, reason=error)
            say("log refused", account=account, server_id=server_id, code=failure.code, reason=str(error))
            await self._records.end(_failed(log, failure))

    async def on_server_deleted(self, event: ServerDeleted, envelope: Envelope) -> None:
        """Its logs go with it."""
        for log in await self._records.of_server(envelope.account, event.server_id):
            await self._records.remove(log)

    async def _take(self, log: ServerLog, message: AgentLogChunk) -> ServerLog:
        described, chunk = with_chunk(log, message), LogChunk(content=message.content)
        known = await self._records.chunk(log, message.number)
        if known is None:
            return await self._records.save_chunk(described, message.number, chunk)
        if known != chunk:
            raise LogRefusedError(f"part {message.number} came twice, with other contents")
        return described

    async def _complete(self, log: ServerLog, text: str) -> None:
        parts = parts_of(text)
        update = {
            "state": "complete",
            "completed_at": self._clock(),
            "size_bytes": len(text.encode()),
            "parts": len(parts),
        }
        await self._records.end(log.model_copy(update=update), parts)

    async def _command(self, log: ServerLog, envelope: Envelope) -> Failure | None:
        """Why the agent will not send the log; None when it will."""
        epoch = int(log.requested_at.timestamp() * 1000)
        command = CollectLog(task_id="", epoch=epoch, log_id=log.id)
        try:
            return (await self._send(log.account, log.server_id, command, envelope)).failure
        except MigrationError as error:
            if error.code != SERVICE_UNAVAILABLE.code:
                raise
            return LOG_AGENT_AWAY.failure(server_id=log.server_id, seconds=f"{ACKNOWLEDGED_WITHIN_S:g}")

    async def _check_known(self, server_id: str, envelope: Envelope) -> None:
        if await self._servers.load(envelope.account, server_id) is None:
            raise MigrationError(SERVER_NOT_FOUND, server_id=server_id)


def _failed(log: ServerLog, failure: Failure) -> ServerLog:
    return log.model_copy(update={"state": "failed", "failure": failure})
