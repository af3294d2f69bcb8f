"""A channel: where an account wants to be told what."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.notification import ADDRESS_REFUSED, CHANNEL_INVALID
from contracts.messages.notification import ALL_TOPICS, ChannelKind, ChannelView, Topic
from services.notification.domain.address import AddressError, AddressPolicy

# A subset of RFC 5321 without quoting: nothing in it means anything to a mail header or to another mail server.
_MAILBOX: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")


class Channel(Model):
    """sealed_secret: signs webhooks, "" for mail. The other fields as in ChannelView."""

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
    sealed_secret: str = ""

    def wants(self, topic: Topic) -> bool:
        """Whether this is to be told here."""
        return self.is_enabled and topic in self.topics


def show(channel: Channel) -> ChannelView:
    """A channel without its secrets: whoever knows the path of a webhook can often post to it."""
    parts = urlsplit(channel.url)
    has_path = parts.path not in ("", "/") or parts.query
    shown = channel.model_copy(update={"url": f"{parts.scheme}://{parts.netloc}/***"}) if has_path else channel
    return ChannelView.model_validate(shown.model_dump(exclude={"sealed_secret"}))


def host_of(channel: Channel, policy: AddressPolicy) -> str:
    """The webhook's host, for events and logs; "" for mail. Its path may be a secret."""
    if channel.kind != "webhook":
        return ""
    try:
        return policy.parse(channel.url).host
    except AddressError:
        return ""


def check_channel(channel: Channel, policy: AddressPolicy) -> None:
    """Raises MigrationError SMS.NOTIFY.CHANNEL_INVALID, SMS.NOTIFY.ADDRESS_REFUSED."""
    if not _NAME.fullmatch(channel.name):
        raise MigrationError(CHANNEL_INVALID, reason="its name holds control characters", field="name")
    if len(set(channel.topics)) != len(channel.topics):
        raise MigrationError(CHANNEL_INVALID, reason="a topic is named twice", field="topics")
    if channel.kind == "webhook":
        _check_webhook(channel, policy)
    else:
        _check_mail(channel)


def _check_webhook(channel: Channel, policy: AddressPolicy) -> None:
    if channel.recipients:
        raise MigrationError(CHANNEL_INVALID, reason="a webhook has no recipients", field="recipients")
    if not channel.url:
        raise MigrationError(CHANNEL_INVALID, reason="a webhook needs an address", field="url")
    try:
        policy.parse(channel.url)
    except AddressError as error:
        raise MigrationError(ADDRESS_REFUSED, host="this address", reason=str(error)) from error


def _check_mail(channel: Channel) -> None:
    if channel.url:
        raise MigrationError(CHANNEL_INVALID, reason="a mail channel has no address of a webhook", field="url")
    if not channel.recipients:
        raise MigrationError(CHANNEL_INVALID, reason="a mail channel needs at least one recipient", field="recipients")
    for number, recipient in enumerate(channel.recipients, start=1):
        if not _MAILBOX.fullmatch(recipient):
            reason = f"recipient {number} is no plain mail address"
            raise MigrationError(CHANNEL_INVALID, reason=reason, field="recipients")
