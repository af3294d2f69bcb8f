"""Sends what is in the queue: several channels at a time, one notification of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.notification import CHANNEL_NOT_FOUND
from contracts.messages.notification import ChannelKind
from services.notification.domain.channel import Channel
from services.notification.domain.delivery import Delivery, arrived, claimed, given_up, missed
from services.notification.domain.ports import Channels, Clock, Deliveries, Sender
from services.notification.settings import NotificationSettings
from shared.store import ConflictError, StoreUnavailableError
from shared.telemetry import log

_AT_A_TIME: Final = 8


class Queue:
    """The durable queue's worker. A notification is sent at least once: a process that dies between the receiver's
    answer and the write sends it again, under the same delivery id."""

    def __init__(
        self,
        channels: Channels,
        deliveries: Deliveries,
        senders: Mapping[ChannelKind, Sender],
        clock: Clock,
        settings: NotificationSettings,
    ) -> None:
        self._channels = channels
        self._deliveries = deliveries
        self._senders = senders
        self._clock = clock
        self._settings = settings
        self._woken = asyncio.Event()
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Something new is to be sent."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._begin_due()
                except StoreUnavailableError as error:
                    log("queue waits for the store", level=logging.WARNING, error=error)
                # Not asyncio.wait_for: in Python 3.11 it swallows a cancellation that comes just after the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.queue_interval_s):
                        await self._woken.wait()
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _begin_due(self) -> None:
        now = self._clock()
        due = [found async for found in self._deliveries.pending() if found[1].due_at <= now]
        for account, delivery, version in sorted(due, key=lambda found: found[1].id):
            key = (account, delivery.channel_id)
            if key in self._running:
                continue
            if len(self._running) >= _AT_A_TIME:
                return
            task = asyncio.create_task(self._attempt(account, delivery, version), name="delivery")
            self._running[key] = task
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: tuple[str, str], _: asyncio.Task[None]) -> None:
        self._running.pop(key, None)
        self.wake()

    async def _attempt(self, account: str, delivery: Delivery, version: int) -> None:
        try:
            await self._send(account, delivery, version)
        except ConflictError:
            log("delivery taken by another process", level=logging.DEBUG, delivery_id=delivery.id)
        except StoreUnavailableError as error:
            log("delivery waits for the store", level=logging.WARNING, error=error, delivery_id=delivery.id)
        except Exception as error:  # noqa: BLE001 - the edge of one delivery: the queue goes on
            log("delivery failed", level=logging.ERROR, error=error, delivery_id=delivery.id)

    async def _send(self, account: str, delivery: Delivery, version: int) -> None:
        channel = await self._channel(account, delivery.channel_id)
        if channel is None:
            await self._deliveries.remove(account, delivery.id, version)
            return
        # A claim outlives its attempt, so that no second process begins while the first still waits for an answer.
        lease_s = self._settings.send_timeout_s + self._settings.claim_reserve_s
        delivery = claimed(delivery, now=self._clock(), lease_s=lease_s)
        version = await self._deliveries.save(account, delivery, version)
        try:
            note = await self._senders[channel.kind].send(account, channel, delivery.notification)
        except MigrationError as error:
            now, failure = self._clock(), error.failure
            if channel.is_enabled:
                ended = missed(delivery, failure, now=now, delays_s=self._settings.retry_delays_s)
            else:
                ended = given_up(delivery, failure, now=now)
        else:
            ended = arrived(delivery, now=self._clock(), note=note)
        await self._deliveries.save(account, ended, version)
        log(
            "notification sent" if ended.state == "delivered" else "notification not delivered",
            account=account,
            channel_id=channel.id,
            delivery_id=ended.id,
            attempts=ended.attempts,
            code=ended.failure.code if ended.failure else "",
        )
        if not ended.is_pending:
            await self._deliveries.forget_old(account, channel.id, self._settings.kept_deliveries)

    async def _channel(self, account: str, channel_id: str) -> Channel | None:
        try:
            return (await self._channels.load(account, channel_id))[0]
        except MigrationError as error:
            if error.code != CHANNEL_NOT_FOUND.code:
                raise
            return None
