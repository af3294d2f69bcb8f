"""What happens to one message of a stream: handled once, tried again with pauses, or put to the dead letters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from contracts import subjects
from contracts.envelope import MESSAGE_ID_HEADER
from contracts.errors.platform import EVENT_POISON
from shared.bus.reading import UnreadableMessageError
from shared.settings import ServiceSettings
from shared.store.port import AlreadyAppliedError, ConflictError, StoreUnavailableError
from shared.telemetry import bound, log

# A conflict means that somebody else saved in between: the handler loads and decides again at once.
_CONFLICT_RETRIES: Final = 5
_LONGEST_STORE_PAUSE_S: Final = 5.0
# Deliveries that ended without an answer (the process died in the handler) count too, but later than errors.
_CRASH_FACTOR: Final = 2

DEAD_SUBJECT_HEADER: Final = "sms-dead-subject"
DEAD_CODE_HEADER: Final = "sms-dead-code"
DEAD_CAUSE_HEADER: Final = "sms-dead-cause"


@dataclass(frozen=True, kw_only=True)
class DurableReceiver:
    """Handles the messages of one durable consumer and acknowledges each explicitly."""

    settings: ServiceSettings
    jetstream: Callable[[], JetStreamContext]
    handle: Callable[[Msg], Awaitable[None]]

    async def receive(self, raw: Msg) -> None:
        """Never raises but for cancellation: every outcome is an answer to the bus, or its ack_wait runs out."""
        deliveries = raw.metadata.num_delivered
        headers = raw.headers or {}
        with bound(
            message_id=headers.get("ce-id", ""),
            correlation_id=headers.get("ce-correlationid", ""),
            account=headers.get("ce-smsaccount", ""),
        ):
            if deliveries > self.settings.max_deliver * _CRASH_FACTOR:
                await self._bury(raw, "the process ended every time it handled this message")
                return
            async with _KeptInProgress(raw, self.settings.in_progress_interval_s):
                await self._try(raw, deliveries)

    async def _try(self, raw: Msg, deliveries: int) -> None:
        try:
            await self._handle_until_decided(raw)
        except UnreadableMessageError as error:
            await self._bury(raw, str(error))
        except Exception as error:  # noqa: BLE001 - the edge of a subscription
            log("message failed", level=logging.ERROR, error=error, subject=raw.subject, deliveries=deliveries)
            if deliveries >= self.settings.max_deliver:
                await self._bury(raw, f"{type(error).__name__}: {error}")
            else:
                await self._answer(raw.nak(delay=self.settings.redelivery_delays_s[deliveries - 1]))
        else:
            await self._answer(raw.ack())

    async def _handle_until_decided(self, raw: Msg) -> None:
        """A store that is away is waited for: its absence must not make a message a poison."""
        conflicts = 0
        pause_s = 0.2
        while True:
            try:
                await self.handle(raw)
                return
            except AlreadyAppliedError:
                log("message already applied", level=logging.DEBUG, subject=raw.subject)
                return
            except ConflictError:
                conflicts += 1
                if conflicts > _CONFLICT_RETRIES:
                    raise
            except StoreUnavailableError as error:
                log("handler waits for the store", level=logging.WARNING, error=error, subject=raw.subject)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_STORE_PAUSE_S)

    async def _bury(self, raw: Msg, reason: str) -> None:
        headers = raw.headers or {}
        failure = EVENT_POISON.failure(
            service=self.settings.service_name,
            message_id=headers.get("ce-id", "?")[:200],
            subject=raw.subject,
            deliveries=raw.metadata.num_delivered,
            reason=reason[:500],
        )
        # Only attributes are copied: the sender's other headers could be orders to the bus (roll-up, expectations).
        copied = {name: value for name, value in headers.items() if name.startswith("ce-")}
        dead = {
            **copied,
            MESSAGE_ID_HEADER: f"dlq-{self.settings.service_name}-{raw.metadata.stream}-{raw.metadata.sequence.stream}",
            DEAD_SUBJECT_HEADER: raw.subject,
            DEAD_CODE_HEADER: failure.code,
            DEAD_CAUSE_HEADER: " ".join(failure.cause.split()),
        }
        subject = subjects.dlq(self.settings.service_name)
        try:
            await self.jetstream().publish(subject, raw.data, timeout=5, stream="DLQ", headers=dead)
        except (NatsError, TimeoutError, OSError) as error:
            log("dead letter not written", level=logging.ERROR, error=error, subject=raw.subject)
            await self._answer(raw.nak(delay=self.settings.redelivery_delays_s[-1]))
            return
        log("message given up", level=logging.ERROR, code=failure.code, cause=failure.cause)
        await self._answer(raw.term())

    @staticmethod
    async def _answer(answer: Awaitable[None]) -> None:
        try:
            await answer
        except (NatsError, OSError) as error:
            # The bus delivers it again, and the inbox makes that harmless.
            log("acknowledgement not sent", level=logging.WARNING, error=error)


class _KeptInProgress:
    """Tells the bus every few seconds that the message is still being worked on."""

    def __init__(self, raw: Msg, interval_s: float) -> None:
        self._raw = raw
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._tell(), name="in-progress")

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            with suppress(NatsError, OSError):
                await self._raw.in_progress()
