"""Messages of a stream in batches, for a subscriber that keeps many of them in one write."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, Header

from shared.bus.durable import DurableReceiver
from shared.telemetry import log

# A request that the bus forgot in a restart ends only by this.
_REQUEST_S: Final = 3.0
_PAUSE_WITHOUT_BUS_S: Final = 1.0
# Messages come singly as things happen, so each would be a write of its own; nobody waits for a record this long.
_COLLECT_S: Final = 0.1


@dataclass(kw_only=True)
class BatchSubscription:
    """Messages of one durable consumer in order, several at a time.

    handle: all of them; whatever it raises, each then goes through single, which alone tries again and buries.
    """

    stream: str
    config: ConsumerConfig
    handle: Callable[[Sequence[Msg]], Awaitable[None]]
    single: DurableReceiver
    client: Callable[[], Client]
    _received: list[Msg] = field(default_factory=list)
    _has_some: asyncio.Event = field(default_factory=asyncio.Event)
    _asked_at_s: float = 0.0
    _left: int = 0

    async def run(self) -> None:
        """Receive until cancelled; what has come and is not handled then is given back."""
        client = self.client()
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox, cb=self._take)
        try:
            while True:
                try:
                    await self._ask(inbox)
                    await self._handle_some()
                except (NatsError, OSError) as error:
                    log("batch waits for the bus", level=logging.WARNING, error=error, durable=self.config.durable_name)
                    await asyncio.sleep(_PAUSE_WITHOUT_BUS_S)
        finally:
            with suppress(NatsError, OSError):
                await subscription.unsubscribe()
                for raw in self._received:
                    await raw.nak()

    async def _take(self, raw: Msg) -> None:
        if (raw.headers or {}).get(Header.STATUS):
            # The request has ended, for want of time or of room for more that is not acknowledged.
            self._left = 0
        else:
            self._received.append(raw)
            self._left -= 1
        self._has_some.set()

    async def _ask(self, inbox: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._left > 0 and now_s < self._asked_at_s + _REQUEST_S + 1:
            return
        self._left, self._asked_at_s = self.config.max_ack_pending or 1, now_s
        request = {"batch": self._left, "expires": int(_REQUEST_S * 1e9)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.config.durable_name}"
        await self.client().publish(subject, json.dumps(request).encode(), reply=inbox)

    async def _handle_some(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_REQUEST_S + 1):
                await self._has_some.wait()
        if 0 < len(self._received) < (self.config.max_ack_pending or 1):
            await asyncio.sleep(_COLLECT_S)
        self._has_some.clear()
        batch = list(self._received)
        if not batch:
            return
        try:
            await self.handle(batch)
        except Exception as error:  # noqa: BLE001 - the edge of a subscription
            log("batch is taken apart", level=logging.WARNING, error=error, messages=len(batch))
            for raw in batch:
                self._received.pop(0)
                await self.single.receive(raw)
            return
        del self._received[: len(batch)]
        for raw in batch:
            await raw.ack()
