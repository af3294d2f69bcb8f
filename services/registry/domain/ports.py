"""What the registry needs of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import Failure
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory
from services.registry.domain.server import Server

Clock = Callable[[], datetime]
Says = Sequence[tuple[str, Message]]


class Servers(Protocol):
    """The servers of all accounts; each write is atomic with the events that it says.

    says: (last word of the subject, message) of ``server.<id>.<word>`` events. applied: the id of the message
    that is being handled. Writes raise ConflictError when the record has changed since it was loaded and
    AlreadyAppliedError when the message was handled before.
    """

    async def load(self, account: str, server_id: str) -> Server | None:
        """The server, or None."""

    async def save(
        self,
        server: Server,
        *,
        says: Says = (),
        cause: Envelope | None = None,
        applied: str | None = None,
        inventory: SourceInventory | None = None,
        report: FeasibilityReport | None = None,
    ) -> None:
        """Create (version 0) or replace it; inventory and report: the newer ones, None for those that it has."""

    async def inventory_of(self, server: Server) -> SourceInventory:
        """The newest inventory."""

    async def report_of(self, server: Server) -> FeasibilityReport | None:
        """The last report, None before the first check."""

    async def refuse(self, server: Server, failure: Failure, *, refuse_s: int, says: Says, cause: Envelope) -> None:
        """As `save`, and have identity cut the server's agents and refuse them for refuse_s seconds."""

    async def refuse_unknown(
        self, account: str, server_id: str, failure: Failure, *, refuse_s: int, cause: Envelope
    ) -> None:
        """Have identity refuse an agent whose server is not registered, and say so; keeps no server."""

    async def remove(self, server: Server, *, says: Says, cause: Envelope) -> None:
        """Delete it."""

    async def page(self, account: str, *, after: str, limit: int) -> list[Server]:
        """Servers of an account ordered by id."""

    async def all_of(self, account: str) -> list[Server]:
        """All servers of an account, with everything that was written before, in any order."""

    async def count(self, account: str) -> int:
        """How many an account has."""

    def all_connected(self) -> AsyncIterator[Server]:
        """Of every account, for the start of the service."""


class Quotas(Protocol):
    """How many source servers each account may have in migration."""

    async def of(self, account: str) -> int:
        """The account's own quota, or that of all."""

    async def set(self, account: str, limit: int, *, said_at: datetime, applied: str) -> None:
        """Unless something newer is known. Raises AlreadyAppliedError, ConflictError."""
