"""What notification needs of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

from contracts.envelope import Envelope
from contracts.messages.notification import Notification
from services.notification.domain.channel import Channel
from services.notification.domain.delivery import Delivery
from services.notification.domain.watch import Watch

Clock = Callable[[], datetime]


class Sender(Protocol):
    """One way to deliver."""

    async def send(self, account: str, channel: Channel, notification: Notification) -> str:
        """Try once, for a bounded time; returns a note, "" mostly. Sent again, it carries the same delivery id.

        Raises MigrationError SMS.NOTIFY.* with the cause, which holds nothing secret.
        """


class Resolver(Protocol):
    """Names to addresses."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Every address of a host, best first. Raises OSError when it has none."""


class Seal(Protocol):
    """Seals a channel's secret for its record; in another one it cannot be opened."""

    def seal(self, secret: str, *, account: str, channel_id: str) -> str:
        """The sealed text."""

    def open(self, sealed: str, *, account: str, channel_id: str) -> str:
        """The secret. Raises MigrationError SMS.NOTIFY.SECRET_UNREADABLE."""


class Channels(Protocol):
    """Channels of accounts. Writes raise ConflictError and AlreadyAppliedError."""

    async def load(self, account: str, channel_id: str) -> tuple[Channel, int]:
        """With its version. Raises MigrationError SMS.NOTIFY.CHANNEL_NOT_FOUND."""

    async def all(self, account: str) -> list[Channel]:
        """In the order of their ids."""

    async def create(self, account: str, channel: Channel, *, host: str, cause: Envelope) -> None:
        """Says created."""

    async def change(
        self, account: str, channel: Channel, version: int, *, fields: Sequence[str], host: str, cause: Envelope
    ) -> None:
        """Says updated; cause.id is applied."""

    async def delete(self, account: str, channel_id: str, version: int, *, cause: Envelope) -> None:
        """With its deliveries; says deleted."""


class Watches(Protocol):
    """Watched tasks, each change with the deliveries that follow in one write."""

    async def load(self, account: str, task_id: str) -> tuple[Watch, int]:
        """A new one with version 0 when the task is not known."""

    async def save(
        self, account: str, watch: Watch, version: int, *, deliveries: Sequence[Delivery], applied: str | None = None
    ) -> None:
        """Deliveries that exist already are left as they are. Raises ConflictError, AlreadyAppliedError."""

    def active(self) -> AsyncIterator[tuple[str, Watch, int]]:
        """(account, watch, version) of every account."""


class Deliveries(Protocol):
    """The durable queue, which is also the log. Writes raise ConflictError."""

    def pending(self) -> AsyncIterator[tuple[str, Delivery, int]]:
        """(account, delivery, version) of every account, in any order."""

    async def count_pending(self, account: str, channel_id: str) -> int:
        """How many wait for one channel."""

    async def save(self, account: str, delivery: Delivery, version: int) -> int:
        """Version 0 creates it. One that was given up is told as an event in the same write."""

    async def remove(self, account: str, delivery_id: str, version: int) -> None:
        """Its channel is gone."""

    async def newest(self, account: str, channel_id: str, limit: int) -> list[Delivery]:
        """The last ones of a channel, newest first."""

    async def forget_old(self, account: str, channel_id: str, keep: int) -> None:
        """Remove ended ones beyond the newest."""
