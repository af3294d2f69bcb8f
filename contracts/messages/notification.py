"""Notifications: channels of an account, what is sent over them, and how it went."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure

ChannelKind = Literal["webhook", "email"]
Topic = Literal["finished", "failed", "stalled", "lag"]
DeliveryState = Literal["pending", "delivered", "failed"]
ALL_TOPICS: tuple[Topic, ...] = ("finished", "failed", "stalled", "lag")

ChannelName = Annotated[str, Field(min_length=1, max_length=64)]
Url = Annotated[str, Field(max_length=2048)]
Recipients = Annotated[tuple[Annotated[str, Field(max_length=254)], ...], Field(max_length=20)]
Topics = Annotated[tuple[Topic, ...], Field(max_length=len(ALL_TOPICS))]
Seconds = Annotated[int, Field(ge=0, le=30 * 24 * 3600)]


class Notification(Model):
    """The JSON body of a webhook, and what a mail is written from.

    topic: finished (FINISHED or DELETED), failed (PAUSED or FAILED by a failure, not by a person), stalled (no
    progress while copying), lag (the replica is older than the channel's threshold); is_over: that has ended.
    is_test: sent by hand, about no task. code, cause and remedy as in the catalogue of errors. text: all of it in
    sentences; subject: in a line.
    """

    version: int = 1
    delivery_id: str
    channel_id: str
    account: str
    topic: Topic | Literal["test"]
    occurred_at: datetime
    is_over: bool = False
    is_test: bool = False
    task_id: str = ""
    server_id: str = ""
    server_name: str = ""
    phase: str = ""
    code: str = ""
    cause: str = ""
    remedy: str = ""
    subject: str = ""
    text: str = ""


class DeliveryView(Model):
    """One notification on its way or at its end. failure: of the last attempt. note: what was odd though it arrived."""

    id: str
    topic: str
    task_id: str = ""
    is_over: bool = False
    state: DeliveryState
    attempts: int
    created_at: datetime
    ended_at: datetime | None = None
    next_attempt_at: datetime | None = None
    failure: Failure | None = None
    note: str = ""


class ChannelView(Model):
    """A channel as it is shown: neither its secret nor the path of its webhook ever is. stalled_after_s: seconds
    without progress while copying. lag_above_s: seconds of age of the replica; 0: not watched."""

    id: str
    name: str
    kind: ChannelKind
    url: str = ""
    recipients: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ALL_TOPICS
    stalled_after_s: int = 60
    lag_above_s: int = 0
    is_enabled: bool = True
    created_at: datetime


class CreateChannel(Message):
    """Request ``notification.create``. url: of a webhook (https); recipients: of a mail channel."""

    TYPE: ClassVar[str] = "sms.notification.create"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    name: ChannelName
    kind: ChannelKind
    url: Url = ""
    recipients: Recipients = ()
    topics: Topics = ALL_TOPICS
    stalled_after_s: Seconds = 60
    lag_above_s: Seconds = 0
    is_enabled: bool = True


class UpdateChannel(Message):
    """Request ``notification.update``: None leaves a field as it is. rotate_secret: a new one, shown in the reply."""

    TYPE: ClassVar[str] = "sms.notification.update"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    channel_id: str
    name: ChannelName | None = None
    url: Url | None = None
    recipients: Recipients | None = None
    topics: Topics | None = None
    stalled_after_s: Seconds | None = None
    lag_above_s: Seconds | None = None
    is_enabled: bool | None = None
    rotate_secret: bool = False


class ChannelSecret(Message):
    """A channel with the key that signs its webhooks, when it was made in this request; "" otherwise, and always
    in the reply to a repeated request."""

    TYPE: ClassVar[str] = "sms.notification.channel-secret"
    KIND: ClassVar[MessageKind] = "reply"
    channel: ChannelView
    secret: str = ""


class DeleteChannel(Message):
    """Request ``notification.delete``: with its deliveries; what is still to be sent is not."""

    TYPE: ClassVar[str] = "sms.notification.delete"
    KIND: ClassVar[MessageKind] = "request"
    channel_id: str


class ListChannels(Message):
    """Request ``notification.list``."""

    TYPE: ClassVar[str] = "sms.notification.list"
    KIND: ClassVar[MessageKind] = "request"
    limit: int = 50
    offset: int = 0


class ChannelList(Message):
    """count: all channels of the account."""

    TYPE: ClassVar[str] = "sms.notification.channels"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    channels: tuple[ChannelView, ...]


class ShowChannel(Message):
    """Request ``notification.show``."""

    TYPE: ClassVar[str] = "sms.notification.show"
    KIND: ClassVar[MessageKind] = "request"
    channel_id: str


class ChannelDetails(Message):
    """A channel with its last deliveries, newest first."""

    TYPE: ClassVar[str] = "sms.notification.details"
    KIND: ClassVar[MessageKind] = "reply"
    channel: ChannelView
    deliveries: tuple[DeliveryView, ...] = ()


class TestChannel(Message):
    """Request ``notification.test``: send now, once, and say how it went; works for a disabled channel too."""

    __test__: ClassVar[bool] = False
    TYPE: ClassVar[str] = "sms.notification.test"
    KIND: ClassVar[MessageKind] = "request"
    channel_id: str


class ChannelTested(Message):
    """failure: why it did not arrive; note: what was odd though it did."""

    TYPE: ClassVar[str] = "sms.notification.tested"
    KIND: ClassVar[MessageKind] = "reply"
    is_delivered: bool
    delivery_id: str
    seconds: float
    failure: Failure | None = None
    note: str = ""


class ChannelCreated(Message):
    """Event ``notification.<id>.created``. host: of the webhook; the rest of its address may be a secret."""

    TYPE: ClassVar[str] = "sms.notification.channel-created"
    KIND: ClassVar[MessageKind] = "event"
    channel_id: str
    name: str
    kind: ChannelKind
    host: str = ""


class ChannelUpdated(Message):
    """Event ``notification.<id>.updated``. fields: the names of those that were changed."""

    TYPE: ClassVar[str] = "sms.notification.channel-updated"
    KIND: ClassVar[MessageKind] = "event"
    channel_id: str
    fields: tuple[str, ...]
    host: str = ""


class ChannelDeleted(Message):
    """Event ``notification.<id>.deleted``."""

    TYPE: ClassVar[str] = "sms.notification.channel-deleted"
    KIND: ClassVar[MessageKind] = "event"
    channel_id: str


class DeliveryGivenUp(Message):
    """Event ``notification.<id>.given-up``: a notification did not arrive after all attempts."""

    TYPE: ClassVar[str] = "sms.notification.delivery-given-up"
    KIND: ClassVar[MessageKind] = "event"
    channel_id: str
    delivery_id: str
    attempts: int
    failure: Failure
