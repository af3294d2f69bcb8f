"""Channels, watches and the queue in the service's store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.notification import CHANNEL_NOT_FOUND
from contracts.messages.notification import ChannelCreated, ChannelDeleted, ChannelUpdated, DeliveryGivenUp
from services.notification.domain.channel import Channel
from services.notification.domain.delivery import Delivery
from services.notification.domain.watch import Watch
from shared.store import Collection, ConflictError, OutgoingMessage, Store, TypedCollection
from shared.store.port import Scalar

SERVICE: Final = "notification"
CHANNELS: Final = Collection(name="channels")
WATCHES: Final = Collection(name="watches", fields=("is_active",))
DELIVERIES: Final = Collection(name="deliveries", fields=("channel_id", "is_pending"))
COLLECTIONS: Final = (CHANNELS, WATCHES, DELIVERIES)
_PAGE: Final = 500


class ChannelRecords:
    """The port Channels."""

    def __init__(self, store: Store) -> None:
        self._channels = TypedCollection(store, CHANNELS, Channel)
        self._deliveries = TypedCollection(store, DELIVERIES, Delivery)

    async def load(self, account: str, channel_id: str) -> tuple[Channel, int]:
        """See Channels."""
        stored = await self._channels.load(account, channel_id) if channel_id else None
        if stored is None:
            raise MigrationError(CHANNEL_NOT_FOUND, channel_id=channel_id)
        return stored.value, stored.version

    async def all(self, account: str) -> list[Channel]:
        """See Channels."""
        return [stored.value for stored in await self._channels.find(account, limit=_PAGE)]

    async def create(self, account: str, channel: Channel, *, host: str, cause: Envelope) -> None:
        """See Channels."""
        event = ChannelCreated(channel_id=channel.id, name=channel.name, kind=channel.kind, host=host)
        outbox = [_outgoing(account, channel.id, "created", event, cause)]
        await self._channels.save(account, channel.id, channel, expected_version=0, outbox=outbox)

    async def change(
        self, account: str, channel: Channel, version: int, *, fields: Sequence[str], host: str, cause: Envelope
    ) -> None:
        """See Channels."""
        event = ChannelUpdated(channel_id=channel.id, fields=tuple(fields), host=host)
        await self._channels.save(
            account,
            channel.id,
            channel,
            expected_version=version,
            outbox=[_outgoing(account, channel.id, "updated", event, cause)],
            applied=cause.id,
        )

    async def delete(self, account: str, channel_id: str, version: int, *, cause: Envelope) -> None:
        """See Channels."""
        event = ChannelDeleted(channel_id=channel_id)
        outbox = [_outgoing(account, channel_id, "deleted", event, cause)]
        await self._channels.delete(account, channel_id, expected_version=version, outbox=outbox)
        # What a kill leaves here is removed when its turn to be sent comes, or is never looked at again.
        while page := await self._deliveries.find(account, {"channel_id": channel_id}, limit=_PAGE):
            for stored in page:
                await self._deliveries.delete(account, stored.id, expected_version=stored.version)


class WatchRecords:
    """The port Watches."""

    def __init__(self, store: Store) -> None:
        self._watches = TypedCollection(store, WATCHES, Watch)
        self._deliveries = TypedCollection(store, DELIVERIES, Delivery)

    async def load(self, account: str, task_id: str) -> tuple[Watch, int]:
        """See Watches."""
        stored = await self._watches.load(account, task_id)
        return (stored.value, stored.version) if stored else (Watch(task_id=task_id), 0)

    async def save(
        self, account: str, watch: Watch, version: int, *, deliveries: Sequence[Delivery], applied: str | None = None
    ) -> None:
        """See Watches."""
        new = [one for one in deliveries if await self._deliveries.load(account, one.id) is None]
        await self._watches.save(
            account,
            watch.task_id,
            watch,
            expected_version=version,
            applied=applied,
            also=[self._deliveries.record(account, one.id, one) for one in new],
        )

    async def active(self) -> AsyncIterator[tuple[str, Watch, int]]:
        """See Watches."""
        async for stored in self._watches.find_all_accounts({"is_active": True}):
            yield stored.account, stored.value, stored.version


class DeliveryRecords:
    """The port Deliveries."""

    def __init__(self, store: Store) -> None:
        self._deliveries = TypedCollection(store, DELIVERIES, Delivery)

    async def pending(self) -> AsyncIterator[tuple[str, Delivery, int]]:
        """See Deliveries."""
        async for stored in self._deliveries.find_all_accounts({"is_pending": True}):
            yield stored.account, stored.value, stored.version

    async def count_pending(self, account: str, channel_id: str) -> int:
        """See Deliveries."""
        return await self._deliveries.count(account, {"channel_id": channel_id, "is_pending": True})

    async def save(self, account: str, delivery: Delivery, version: int) -> int:
        """See Deliveries."""
        outbox = []
        if delivery.state == "failed" and delivery.failure is not None and not delivery.notification.is_test:
            event = DeliveryGivenUp(
                channel_id=delivery.channel_id,
                delivery_id=delivery.id,
                attempts=delivery.attempts,
                failure=delivery.failure,
            )
            outbox.append(_outgoing(account, delivery.channel_id, "given-up", event, None))
        return await self._deliveries.save(account, delivery.id, delivery, expected_version=version, outbox=outbox)

    async def remove(self, account: str, delivery_id: str, version: int) -> None:
        """See Deliveries."""
        await self._deliveries.delete(account, delivery_id, expected_version=version)

    async def newest(self, account: str, channel_id: str, limit: int) -> list[Delivery]:
        """See Deliveries."""
        page = await self._deliveries.find(account, {"channel_id": channel_id}, limit=limit, newest_first=True)
        return [stored.value for stored in page]

    async def forget_old(self, account: str, channel_id: str, keep: int) -> None:
        """See Deliveries."""
        where: dict[str, Scalar] = {"channel_id": channel_id, "is_pending": False}
        kept = await self._deliveries.find(account, where, limit=keep, newest_first=True)
        if len(kept) < keep:
            return
        for stored in await self._deliveries.find(account, where, after=kept[-1].id, limit=_PAGE, newest_first=True):
            try:
                await self._deliveries.delete(account, stored.id, expected_version=stored.version)
            except ConflictError:
                continue  # Another replica of this service was faster.


def _outgoing(account: str, channel_id: str, what: str, event: Message, cause: Envelope | None) -> OutgoingMessage:
    subject = subjects.evt(account, "notification", channel_id, what)
    return OutgoingMessage.of(subject, event, source=SERVICE, account=account, cause=cause)
