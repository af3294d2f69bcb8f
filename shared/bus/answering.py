"""Core request/reply: one request in, exactly one reply out, failures with their code."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.platform import REQUEST_INVALID, SERVICE_INTERNAL
from contracts.messages.reply import Refused
from shared.bus.reading import M, UnreadableMessageError, by_type, may_reply_to, read_message
from shared.store.port import AlreadyAppliedError, ConflictError
from shared.telemetry import bound, log

_CONFLICT_RETRIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class RequestReceiver(Generic[M]):
    """Answers the requests of one subscription."""

    service: str
    client: Callable[[], Client]
    models: type[M] | tuple[type[M], ...]
    handler: Callable[[M, Envelope], Awaitable[Message]]

    async def receive(self, raw: Msg) -> None:
        """Never raises but for cancellation. A request without an allowed reply subject is not even handled."""
        if not may_reply_to(raw.subject, raw.reply):
            log("request refused", level=logging.WARNING, subject=raw.subject, reply_to=raw.reply[:200])
            return
        try:
            message, envelope = read_message(raw, by_type(self.models))
        except UnreadableMessageError as error:
            failure = REQUEST_INVALID.failure(subject=raw.subject, reason=str(error))
            await self._reply(raw, Refused(failure=failure), None)
            return
        with bound(
            message_id=envelope.id, correlation_id=envelope.correlation_id or envelope.id, account=envelope.account
        ):
            await self._reply(raw, await self._answer(message, envelope), envelope)

    async def _answer(self, message: M, envelope: Envelope) -> Message:
        try:
            return await self._decide(message, envelope)
        except MigrationError as error:
            log("request failed", level=logging.INFO, subject=envelope.subject, code=error.code, error=error)
            return Refused(failure=error.failure)
        except Exception as error:  # noqa: BLE001 - the edge of a subscription
            log("request failed", level=logging.ERROR, subject=envelope.subject, error=error)
            return Refused(failure=self._internal(error, envelope))

    async def _decide(self, message: M, envelope: Envelope) -> Message:
        conflicts = 0
        while True:
            try:
                return await self.handler(message, envelope)
            except (ConflictError, AlreadyAppliedError):
                # The handler loads again, sees what the other one did, and decides on that.
                conflicts += 1
                if conflicts > _CONFLICT_RETRIES:
                    raise

    def _internal(self, error: Exception, envelope: Envelope) -> Failure:
        return SERVICE_INTERNAL.failure(
            service=self.service,
            subject=envelope.subject,
            # The text of an unknown exception may hold anything; it stays in the service's own log.
            reason=type(error).__name__,
            correlation_id=envelope.correlation_id or envelope.id,
        )

    async def _reply(self, raw: Msg, reply: Message, cause: Envelope | None) -> None:
        envelope = Envelope.of(
            reply,
            source=f"/services/{self.service}",
            account=cause.account if cause else "",
            correlation_id=(cause.correlation_id or cause.id) if cause else "",
            causation_id=cause.id if cause else "",
        )
        try:
            await self.client().publish(raw.reply, reply.model_dump_json().encode(), headers=envelope.headers())
        except (NatsError, OSError) as error:
            log("reply not sent", level=logging.WARNING, error=error, subject=raw.subject)
