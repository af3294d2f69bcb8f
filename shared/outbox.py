"""The relay: publishes committed outgoing messages in order and forgets each after the bus's acknowledgement."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from shared.store.port import PendingMessage, Store, StoreUnavailableError
from shared.streams import stream_of
from shared.telemetry import log

_BATCH: Final = 64
_PUBLISH_TIMEOUT_S: Final = 3.0
_LONGEST_PAUSE_S: Final = 1.0


class OutboxRelay:
    """One per process. Two relays on one store do no harm: the second copy has the same ``Nats-Msg-Id``."""

    def __init__(self, store: Store, jetstream: JetStreamContext, *, poll_interval_s: float = 2) -> None:
        self._store = store
        self._jetstream = jetstream
        self._poll_interval_s = poll_interval_s
        self._saved = asyncio.Event()
        store.on_saved(self._saved.set)

    async def run(self) -> None:
        """Relay until cancelled. While the bus or the store is away, rows wait and order is kept."""
        pause_s = 0.1
        while True:
            self._saved.clear()
            try:
                published = await self.relay_once()
            except (NatsError, StoreUnavailableError, OSError, TimeoutError) as error:
                log("outbox waits", level=logging.WARNING, error=error, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            pause_s = 0.1
            if published < _BATCH:
                # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes just after the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_interval_s):
                        await self._saved.wait()

    async def relay_once(self) -> int:
        """Publish one batch; returns how many left. Raises what the bus or the store raises."""
        batch = await self._store.pending(_BATCH)
        done: list[str] = []
        try:
            for row in batch:
                await self._publish(row)
                done.append(row.token)
        finally:
            if done:
                await self._store.sent(done)
        return len(done)

    async def _publish(self, row: PendingMessage) -> None:
        message = row.message
        acknowledged = await self._jetstream.publish(
            message.subject,
            message.payload.encode(),
            timeout=_PUBLISH_TIMEOUT_S,
            stream=stream_of(message.subject),
            headers=dict(message.headers),
        )
        log(
            "outbox published",
            level=logging.DEBUG,
            subject=message.subject,
            message_id=message.message_id,
            sequence=acknowledged.seq,
            was_known=bool(acknowledged.duplicate),
        )
