"""The store port: records whose change, outgoing messages and applied message ids are one atomic write."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.platform import STORE_CONFLICT, STORE_DUPLICATE, STORE_UNAVAILABLE

Scalar = str | int | bool
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")

# An id may be applied again once it has left its record's list: that takes this many other messages for the
# same record, while the bus redelivers a message within minutes.
APPLIED_IDS_KEPT: Final = 512
MAX_PAYLOAD_BYTES: Final = 900 * 1024


@dataclass(frozen=True, kw_only=True)
class Unique:
    """No two records may have equal values in all these fields, as far as only_where holds for both.

    fields: top-level fields of the data, or ``account``. A record in which one of them is null, absent or no
    string is not bound. name: what DuplicateError reports.
    """

    name: str
    fields: tuple[str, ...]
    only_where: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A kind of record. fields: the top-level fields that `find` may compare (they are indexed)."""

    name: str
    fields: tuple[str, ...] = ()
    unique: tuple[Unique, ...] = ()

    def __post_init__(self) -> None:
        names = [self.name, *self.fields, *(rule.name for rule in self.unique)]
        names += [name for rule in self.unique for name in (*rule.fields, *rule.only_where)]
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a name of a collection, field or rule: {name!r}")

    def check_findable(self, where: Mapping[str, Scalar]) -> None:
        """Raises ValueError when a field is compared that was not declared."""
        if unknown := set(where) - set(self.fields):
            raise ValueError(f"{self.name} cannot be searched by {sorted(unknown)}: declare the field")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One stored thing. version: 1 after its creation, plus 1 per change. data: JSON."""

    collection: str
    account: str
    id: str
    version: int = 0
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class OutgoingMessage:
    """A message that leaves when, and only when, the write that carries it is durable."""

    message_id: str
    subject: str
    headers: Mapping[str, str]
    payload: str

    def __post_init__(self) -> None:
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a message of {len(self.payload)} bytes is too large for the bus ({MAX_PAYLOAD_BYTES})")

    @classmethod
    def of(
        cls,
        subject: str,
        message: Message,
        *,
        source: str,
        account: str,
        cause: Envelope | None = None,
        actor: str = "",
        message_id: str = "",
        correlation_id: str = "",
    ) -> OutgoingMessage:
        """Put a message into its envelope. source: the service's name. cause: the message that led to it, from
        which correlation, causation and actor are taken. message_id: a deterministic one (``task:version:kind``)
        makes a repeated publish harmless; default random."""
        attributes = {"correlation_id": correlation_id, "actor": actor, "subject": subject}
        if cause is not None:
            attributes["causation_id"] = cause.id
            attributes["correlation_id"] = correlation_id or cause.correlation_id or cause.id
            attributes["actor"] = actor or cause.actor
        if message_id:
            attributes["id"] = message_id
        envelope = Envelope.of(message, source=f"/services/{source}", account=account, **attributes)
        return cls(
            message_id=envelope.id,
            subject=subject,
            headers=envelope.headers(),
            payload=message.model_dump_json(),
        )


@dataclass(frozen=True, kw_only=True)
class PendingMessage:
    """An outbox row. token: the store's own handle, for `sent`."""

    token: str
    message: OutgoingMessage


class AccountRequiredError(ValueError):
    """A call named no account."""


class AlreadyAppliedError(Exception):
    """The message id was applied to this record before: acknowledge and do nothing."""


class ConflictError(MigrationError):
    """The record does not have the expected version (0: it exists already). Load, decide and save again."""

    def __init__(self, collection: str, identifier: str, expected_version: int) -> None:
        super().__init__(STORE_CONFLICT, collection=collection, id=identifier, expected_version=expected_version)


class DuplicateError(MigrationError):
    """A Unique rule would be broken; rule is its name."""

    def __init__(self, collection: str, identifier: str, rule: str) -> None:
        super().__init__(STORE_DUPLICATE, collection=collection, id=identifier, rule=rule)
        self.rule = rule


class StoreUnavailableError(MigrationError):
    """The database does not answer; whether the write happened is unknown. Load again before deciding."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(STORE_UNAVAILABLE, service=service, reason=reason)


class Store(Protocol):
    """Records of one service.

    Every write is one atomic, durable act: the record, its outbox rows and the applied id together or not at
    all. Calls may be repeated after StoreUnavailableError: a repeated write meets ConflictError or
    AlreadyAppliedError if the first one happened. An empty account raises AccountRequiredError, an undeclared
    collection or field ValueError. Cancelling a call leaves a write done or not done, never half.
    """

    async def load(self, collection: str, account: str, identifier: str) -> Record | None:
        """The newest durable version, or None."""

    async def save(
        self,
        record: Record,
        *,
        expected_version: int,
        outbox: Sequence[OutgoingMessage] = (),
        applied: str | None = None,
        also: Sequence[Record] = (),
    ) -> int:
        """Write data if the stored version is expected_version (0: create); returns the new version.

        record.version is not looked at. also: further records to create in the same atomic write (rows of
        history). applied: id of the message that is being handled, looked at before the version.
        Raises ConflictError, DuplicateError, AlreadyAppliedError, StoreUnavailableError.
        """

    async def delete(
        self,
        collection: str,
        account: str,
        identifier: str,
        *,
        expected_version: int,
        outbox: Sequence[OutgoingMessage] = (),
        applied: str | None = None,
    ) -> None:
        """Remove the record; what applied and outbox hold stays. Errors as `save`."""

    async def was_applied(self, collection: str, account: str, identifier: str, message_id: str) -> bool:
        """Whether a write to this record named the message; ask before an effect outside the store."""

    async def find(
        self,
        collection: str,
        account: str,
        where: Mapping[str, Scalar] | None = None,
        *,
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Record]:
        """Records whose fields equal where, ordered by id (descending with newest_first), behind id after."""

    async def count(self, collection: str, account: str, where: Mapping[str, Scalar] | None = None) -> int:
        """How many records `find` would page through."""

    async def versions(self, collection: str, account: str) -> dict[str, int]:
        """The version of every record by its id, in their order: tells which of those that were read before have
        changed, at a small part of what reading them costs."""

    async def foreign_writes(self) -> int | None:
        """A number that stays as it is while nobody but this object writes to the store; None when it cannot tell."""

    def find_all_accounts(self, collection: str, where: Mapping[str, Scalar] | None = None) -> AsyncIterator[Record]:
        """Records of every account, for recovery at start and for look-ups by a global key; any order."""

    async def pending(self, limit: int) -> list[PendingMessage]:
        """Unsent outbox rows; those of one record in the order in which they were written."""

    async def sent(self, tokens: Sequence[str]) -> None:
        """Forget outbox rows that the bus has acknowledged; unknown tokens are ignored."""

    def on_saved(self, wake: Callable[[], None]) -> None:
        """Call wake after each write that left outbox rows (in the event loop)."""

    async def close(self) -> None:
        """Release the database; further calls fail."""


def require_account(account: str) -> None:
    """Raises AccountRequiredError for an empty account."""
    if not account:
        raise AccountRequiredError("every call to the store names an account")
