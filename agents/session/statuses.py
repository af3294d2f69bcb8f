"""Statuses on their way to the bus: kept on disk until it has them on its own, in the order they were said."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from agents.session.state import SessionState, Unsent
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.agent import STATUS_TOO_LARGE
from contracts.messages.agent import (
    AgentHeartbeat,
    AgentInventory,
    AgentProgress,
    AgentRegistered,
    AgentResult,
    AgentSyncRound,
)
from contracts.messages.agent_log import AgentLogChunk
from contracts.subjects import agent_status

_logger: Final = logging.getLogger("sms.agent.session")
_LIMIT_BYTES: Final = 900 * 1024
_ACKNOWLEDGED_WITHIN_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 5.0
_KEPT_KINDS: Final[dict[type[Message], str]] = {
    AgentRegistered: "registered",
    AgentInventory: "inventory",
    AgentResult: "result",
    AgentLogChunk: "log",
}
_CORE_KINDS: Final[dict[type[Message], str]] = {
    AgentHeartbeat: "heartbeat",
    AgentProgress: "progress",
    AgentSyncRound: "sync-round",
}
# Only the newest counts; results are never dropped.
_REPLACING: Final = frozenset({"registered", "inventory"})


class Statuses:
    """Says what the agent has to say, as the agent that it has enrolled as."""

    def __init__(self, state: SessionState, agent_id: str, account: str) -> None:
        self._state = state
        self._agent_id = agent_id
        self._account = account
        self._has_more = asyncio.Event()
        self._is_empty = asyncio.Event()

    async def keep(self, message: Message) -> None:
        """Returns when the status is on this machine's disk. Raises ValueError for a message that is no kept status,
        and SMS.AGENT.STATUS_TOO_LARGE."""
        kind = _KEPT_KINDS.get(type(message))
        if kind is None:
            raise ValueError(f"{type(message).__name__} is not kept")
        payload = message.model_dump_json().encode()
        if len(payload) > _LIMIT_BYTES:
            raise MigrationError(STATUS_TOO_LARGE, kind=kind, size_bytes=len(payload), limit_bytes=_LIMIT_BYTES)
        status = self._status(kind, message, payload, getattr(message, "task_id", ""))
        await self._state.keep(status, replaces_kind=kind in _REPLACING)
        if isinstance(message, AgentResult):
            await self._state.keep_result(message.task_id, message.epoch, message.verb, payload)
        self._is_empty.clear()
        self._has_more.set()

    async def repeat_result(self, payload: bytes, task_id: str) -> None:
        """Say a result again under a new id: whoever repeated the command has not seen it."""
        status = Unsent(
            message_id=self._new_id(),
            kind="result",
            type=AgentResult.TYPE,
            version=AgentResult.VERSION,
            task_id=task_id,
            payload=payload,
        )
        await self._state.keep(status, replaces_kind=False)
        self._is_empty.clear()
        self._has_more.set()

    async def say(self, client: Client, message: Message) -> None:
        """Say what is old after seconds; lost when the bus does not hear it."""
        kind = _CORE_KINDS.get(type(message))
        if kind is None:
            raise ValueError(f"{type(message).__name__} must be kept")
        status = self._status(kind, message, message.model_dump_json().encode(), getattr(message, "task_id", ""))
        try:
            await client.publish(
                agent_status(self._account, self._agent_id, kind), status.payload, headers=self._headers(status)
            )
        except (NatsError, OSError) as error:
            _logger.debug("%s not said: %s", kind, type(error).__name__)

    async def relay(self, client: Client) -> None:
        """Publish what is kept, oldest first, until the connection ends or the caller cancels."""
        pause_s = 0.2
        while not client.is_closed:
            self._has_more.clear()
            status = await self._state.oldest_unsent()
            if status is None:
                if not self._has_more.is_set():  # one may have been kept since the state was read
                    self._is_empty.set()
                await self._has_more.wait()
                continue
            if await self._is_acknowledged(client, status):
                await self._state.forget_unsent(status.sequence)
                pause_s = 0.2
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def wait_empty(self) -> None:
        """Until the bus has everything that was kept."""
        await self._is_empty.wait()

    async def _is_acknowledged(self, client: Client, status: Unsent) -> bool:
        # A request without the JetStream client: the stream answers into the agent's own inbox, and the agent
        # needs no right to the JetStream API.
        try:
            answer = await client.request(
                agent_status(self._account, self._agent_id, status.kind),
                status.payload,
                timeout=_ACKNOWLEDGED_WITHIN_S,
                headers=self._headers(status),
            )
            acknowledgement = json.loads(answer.data)
        except (NatsError, OSError, TimeoutError, ValueError) as error:
            _logger.info("status %s waits: %s", status.kind, type(error).__name__)
            return False
        if "stream" in acknowledgement and "error" not in acknowledgement:
            return True
        _logger.warning("status %s waits: %s", status.kind, acknowledgement.get("error"))
        return False

    def _status(self, kind: str, message: Message, payload: bytes, task_id: str) -> Unsent:
        return Unsent(
            message_id=self._new_id(),
            kind=kind,
            type=message.TYPE,
            version=message.VERSION,
            task_id=task_id,
            payload=payload,
        )

    def _new_id(self) -> str:
        # The random part keeps a hostile agent from using the id first and having this message dropped.
        return f"{self._agent_id}:{uuid.uuid4()}"

    def _headers(self, status: Unsent) -> dict[str, str]:
        return Envelope(
            type=status.type,
            version=status.version,
            source=f"/agents/{self._agent_id}",
            account=self._account,
            id=status.message_id,
            actor=self._agent_id,
            correlation_id=status.task_id,
            subject=agent_status(self._account, self._agent_id, status.kind),
        ).headers()


def answer_headers(reply: Message, *, agent_id: str, account: str, task_id: str) -> dict[str, str]:
    """The envelope of a reply to a command."""
    envelope = Envelope.of(reply, source=f"/agents/{agent_id}", account=account, actor=agent_id, correlation_id=task_id)
    return envelope.headers()
