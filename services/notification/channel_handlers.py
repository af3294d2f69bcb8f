"""One coroutine per request about channels: every write is answered after its commit."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.notification import TOO_MANY_CHANNELS
from contracts.messages.notification import (
    ChannelDetails,
    ChannelKind,
    ChannelList,
    ChannelSecret,
    ChannelTested,
    CreateChannel,
    DeleteChannel,
    ListChannels,
    ShowChannel,
    TestChannel,
    UpdateChannel,
)
from contracts.messages.reply import Accepted
from services.notification.domain import delivery as deliveries_of
from services.notification.domain.address import AddressPolicy
from services.notification.domain.channel import Channel, check_channel, host_of, show
from services.notification.domain.notice import Notice, notification
from services.notification.domain.ports import Channels, Clock, Deliveries, Seal, Sender
from shared.store import AlreadyAppliedError, ConflictError

_NAMESPACE: Final = uuid.UUID("5f0f7f0c-7a2e-4b52-9a55-0d6a0f0f2c11")
_SHOWN_DELIVERIES: Final = 20
_LONGEST_PAGE: Final = 500


class ChannelHandlers:
    """What users ask of channels."""

    def __init__(
        self,
        channels: Channels,
        deliveries: Deliveries,
        senders: Mapping[ChannelKind, Sender],
        policy: AddressPolicy,
        seal: Seal,
        clock: Clock,
        *,
        channel_quota: int,
    ) -> None:
        self._channels = channels
        self._deliveries = deliveries
        self._senders = senders
        self._policy = policy
        self._seal = seal
        self._clock = clock
        self._channel_quota = channel_quota

    async def create(self, request: CreateChannel, envelope: Envelope) -> ChannelSecret:
        """A new channel; the secret of a webhook is shown now and never again."""
        account = envelope.account
        channel_id = uuid.uuid5(_NAMESPACE, f"{account}/{request.idempotency_key}").hex
        known = await self._channels.all(account)
        if repeated := next((channel for channel in known if channel.id == channel_id), None):
            return ChannelSecret(channel=show(repeated))
        if len(known) >= self._channel_quota:
            raise MigrationError(TOO_MANY_CHANNELS, count=len(known), limit=self._channel_quota)
        secret = secrets.token_urlsafe(32) if request.kind == "webhook" else ""
        channel = Channel(
            id=channel_id,
            created_at=self._clock(),
            sealed_secret=self._seal.seal(secret, account=account, channel_id=channel_id) if secret else "",
            **request.model_dump(exclude={"idempotency_key"}),
        )
        check_channel(channel, self._policy)
        try:
            await self._channels.create(account, channel, host=host_of(channel, self._policy), cause=envelope)
        except ConflictError:
            channel, _ = await self._channels.load(account, channel_id)  # the same request, at the same time
            secret = ""
        return ChannelSecret(channel=show(channel), secret=secret)

    async def update(self, request: UpdateChannel, envelope: Envelope) -> ChannelSecret:
        """Change what is named; a repeated request changes nothing more."""
        account = envelope.account
        channel, version = await self._channels.load(account, request.channel_id)
        changes = request.model_dump(exclude={"idempotency_key", "channel_id", "rotate_secret"}, exclude_none=True)
        secret = ""
        if request.rotate_secret and channel.kind == "webhook":
            secret = secrets.token_urlsafe(32)
            changes["sealed_secret"] = self._seal.seal(secret, account=account, channel_id=channel.id)
        new = channel.model_copy(update=changes)
        check_channel(new, self._policy)
        # The request's key stands for the message id: a repeated request is another message with the same key.
        cause = replace(envelope, id=f"request:{request.idempotency_key}")
        fields = sorted(name.removeprefix("sealed_") for name in changes)
        try:
            await self._channels.change(
                account, new, version, fields=fields, host=host_of(new, self._policy), cause=cause
            )
        except AlreadyAppliedError:
            return ChannelSecret(channel=show(channel))
        return ChannelSecret(channel=show(new), secret=secret)

    async def delete(self, request: DeleteChannel, envelope: Envelope) -> Accepted:
        """Remove it with everything that was to be sent over it."""
        _, version = await self._channels.load(envelope.account, request.channel_id)
        await self._channels.delete(envelope.account, request.channel_id, version, cause=envelope)
        return Accepted(id=request.channel_id)

    async def list_channels(self, request: ListChannels, envelope: Envelope) -> ChannelList:
        """All channels, oldest first."""
        found = sorted(await self._channels.all(envelope.account), key=lambda one: (one.created_at, one.id))
        first = max(request.offset, 0)
        limit = min(max(request.limit, 1), _LONGEST_PAGE)
        return ChannelList(count=len(found), channels=tuple(show(one) for one in found[first : first + limit]))

    async def show_channel(self, request: ShowChannel, envelope: Envelope) -> ChannelDetails:
        """One channel and how its last notifications fared."""
        channel, _ = await self._channels.load(envelope.account, request.channel_id)
        newest = await self._deliveries.newest(envelope.account, channel.id, _SHOWN_DELIVERIES)
        return ChannelDetails(channel=show(channel), deliveries=tuple(deliveries_of.show(one) for one in newest))

    async def test(self, request: TestChannel, envelope: Envelope) -> ChannelTested:
        """Send now, and keep how it went with the other deliveries."""
        account = envelope.account
        channel, _ = await self._channels.load(account, request.channel_id)
        notice = Notice(key=uuid.uuid4().hex, topic="test", occurred_at=self._clock())
        message = notification(notice, account=account, channel_id=channel.id)
        started = deliveries_of.claimed(
            deliveries_of.new_delivery(message, now=self._clock()), now=self._clock(), lease_s=0
        )
        began_s = time.monotonic()
        failure: Failure | None = None
        note = ""
        try:
            note = await self._senders[channel.kind].send(account, channel, message)
        except MigrationError as error:
            failure = error.failure
        now = self._clock()
        ended = (
            deliveries_of.arrived(started, now=now, note=note)
            if failure is None
            else deliveries_of.given_up(started, failure, now=now)
        )
        await self._deliveries.save(account, ended, 0)
        return ChannelTested(
            is_delivered=failure is None,
            delivery_id=ended.id,
            seconds=round(time.monotonic() - began_s, 3),
            failure=failure,
            note=note,
        )
