"""What identity needs of its surroundings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.identity.domain.grants import Grant
from services.identity.domain.records import SealedSecret


class Seal(Protocol):
    """Seals secrets for the store; account, identifier and version are bound to the sealed form."""

    def seal(self, secret: str, *, account: str, identifier: str, version: int) -> SealedSecret:
        """The same secret sealed twice differs."""

    def open(self, sealed: SealedSecret, *, account: str, identifier: str, version: int) -> str:
        """Raises MigrationError SMS.IDENTITY.SECRET_UNREADABLE for another key or other bindings."""


class ConnectionCutter(Protocol):
    """Ends live connections on every server of the bus."""

    async def cut(self, user_names: Iterable[str]) -> None:
        """Cut all connections of these users, now and those that were being opened at this moment.

        Returns when the known ones are cut. Idempotent. Raises MigrationError SMS.BUS.UNAVAILABLE when the bus
        cannot be asked.
        """


@dataclass(frozen=True)
class Denial:
    """One refused login. login: the name that was claimed; account "" when it belongs to none."""

    login: str
    reason: str
    address: str
    account: str


class Admission(Protocol):
    """Decides over logins."""

    async def admit(self, user: str, password: str, *, now: datetime) -> Grant:
        """The permissions of a genuine login. Raises DeniedError with the reason for the trace."""


class DenialSink(Protocol):
    """Takes denials for the trace."""

    def add(self, denial: Denial) -> None:
        """Returns at once."""
