"""What tasks and agents say: load, decide, save what is to be told, and wake the queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from contracts.envelope import Envelope
from contracts.messages.agent import AgentProgress
from contracts.messages.task import TaskChanged
from contracts.subjects import owner_of_agent_subject
from services.notification.domain.channel import Channel
from services.notification.domain.delivery import Delivery, new_delivery
from services.notification.domain.notice import Notice, notification
from services.notification.domain.ports import Channels, Clock, Deliveries, Watches
from services.notification.domain.progress import Movement
from services.notification.domain.watch import moved, notices_of
from shared.telemetry import log


class Handlers:
    """Transitions of tasks and progress of transfers. wake: called when something is to be sent."""

    def __init__(
        self, channels: Channels, watches: Watches, movement: Movement, outbound: Outbound, wake: Callable[[], None]
    ) -> None:
        self._channels = channels
        self._watches = watches
        self._movement = movement
        self._outbound = outbound
        self._wake = wake

    async def on_task_changed(self, event: TaskChanged, envelope: Envelope) -> None:
        """A task has moved on; an end and a failure are told, whatever came in between."""
        account = envelope.account
        watch, version = await self._watches.load(account, event.task_id)
        new = moved(watch, event, envelope.time)
        notices = notices_of(event, key=envelope.id, at=envelope.time)
        told = await self._told(account, notices) if notices else []
        if new == watch and not told:
            return
        deliveries = await self._outbound.deliveries(account, told)
        await self._watches.save(account, new, version, deliveries=deliveries, applied=envelope.id)
        self._movement.watch(account, new, now_s=time.monotonic())
        if deliveries:
            self._wake()

    async def on_progress(self, progress: AgentProgress, envelope: Envelope) -> None:
        """Kept in memory only. Account and agent are the subject's: the bus vouches for them."""
        account, agent_id = owner_of_agent_subject(envelope.subject)
        self._movement.heard(account, agent_id, progress.progress, now_s=time.monotonic())

    async def _told(self, account: str, notices: Sequence[Notice]) -> list[tuple[Channel, Notice]]:
        channels = await self._channels.all(account)
        return [
            (channel, notice)
            for notice in notices
            for channel in channels
            if notice.topic != "test" and channel.wants(notice.topic)
        ]


class Outbound:
    """Makes queue entries of what is to be told."""

    def __init__(self, deliveries: Deliveries, clock: Clock, *, pending_quota: int) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._pending_quota = pending_quota

    async def deliveries(self, account: str, told: Sequence[tuple[Channel, Notice]]) -> list[Delivery]:
        """A receiver that is away for long does not fill the store: beyond the quota nothing is queued."""
        found = []
        for channel, notice in told:
            if await self._deliveries.count_pending(account, channel.id) >= self._pending_quota:
                log("notification dropped", level=logging.WARNING, account=account, channel_id=channel.id)
                continue
            message = notification(notice, account=account, channel_id=channel.id)
            found.append(new_delivery(message, now=self._clock()))
        return found
