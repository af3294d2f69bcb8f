"""Core subscriptions, straight from the bus's client.

The framework's way of a core message costs more than most handlers: a third of what a small request took.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

Receive = Callable[[Msg], Coroutine[Any, Any, None]]


@dataclass(kw_only=True)
class CoreSubscription:
    """queue: "" means that every replica gets every message. receive: never raises but for cancellation.
    workers: how many messages are handled at a time; with 1 they are handled in order."""

    subject: str
    queue: str
    receive: Receive
    workers: int
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _client: Client | None = None
    _subscription: Subscription | None = None

    async def start(self, client: Client) -> None:
        """A reconnection keeps it."""
        free = asyncio.Semaphore(self.workers)

        async def take(raw: Msg) -> None:
            await free.acquire()
            task = asyncio.create_task(self.receive(raw))
            self._running.add(task)
            task.add_done_callback(done)

        def done(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            free.release()

        work = take if self.workers > 1 else self.receive
        self._client = client
        self._subscription = await client.subscribe(self.subject, queue=self.queue, cb=work)

    async def stop(self) -> None:
        """Take no further message, and let those that are here be handled; a cancellation ends them too."""
        try:
            if self._subscription is not None and self._client is not None and self._client.is_connected:
                with suppress(NatsError, OSError, TimeoutError):
                    await self._subscription.drain()  # type: ignore[no-untyped-call]
            if self._running:
                await asyncio.wait(self._running)
        finally:
            for task in self._running:
                task.cancel()
