"""Looks at every running task every few seconds: does it stall, does its replica grow too old."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from services.notification.domain.channel import Channel
from services.notification.domain.ports import Channels, Clock, Watches
from services.notification.domain.progress import Movement
from services.notification.domain.watch import Watch, in_step, look
from services.notification.handlers import Outbound
from shared.store import ConflictError, StoreUnavailableError
from shared.telemetry import log


class Watcher:
    """Two replicas may see the same: the first to write it tells it."""

    def __init__(
        self,
        channels: Channels,
        watches: Watches,
        movement: Movement,
        outbound: Outbound,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._channels = channels
        self._watches = watches
        self._movement = movement
        self._outbound = outbound
        self._clock = clock
        self._wake = wake

    async def run(self, *, interval_s: float) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._round()
            except StoreUnavailableError as error:
                log("watch waits for the store", level=logging.WARNING, error=error)
            await asyncio.sleep(interval_s)

    async def _round(self) -> None:
        active = [found async for found in self._watches.active()]
        self._movement.forget_all_but({(account, watch.task_id) for account, watch, _ in active})
        channels: dict[str, list[Channel]] = {}
        for account, watch, version in active:
            if account not in channels:
                channels[account] = await self._channels.all(account)
            await self._look(account, watch, version, channels[account])

    async def _look(self, account: str, watch: Watch, version: int, channels: list[Channel]) -> None:
        now_s = time.monotonic()
        quiet_s = self._movement.watch(account, watch, now_s=now_s)
        lag_s = self._movement.lag_s(account, watch.task_id, now_s=now_s)
        now = self._clock()
        new, told = look(watch, channels, now=now, quiet_s=quiet_s, lag_s=lag_s)
        if lag_s is not None:
            new = in_step(new, now - timedelta(seconds=lag_s))
        if new == watch:
            return
        deliveries = await self._outbound.deliveries(account, told)
        try:
            await self._watches.save(account, new, version, deliveries=deliveries)
        except ConflictError:
            return  # The task has moved on, or another replica was faster: the next round sees it.
        if deliveries:
            self._wake()
