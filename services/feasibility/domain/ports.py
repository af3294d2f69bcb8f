"""What the feasibility service needs of the outside."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from contracts.base import Model
from contracts.envelope import Envelope
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory
from contracts.messages.registry import InventoryRefreshed


class CheckedServer(Model):
    """A server with its last report. inventory_at: when the event with the inventory was made. version: of the
    record that it was loaded from, 0 for a new one."""

    server_id: str
    inventory: SourceInventory
    inventory_at: datetime
    report: FeasibilityReport
    version: int = 0


class Inventories(Protocol):
    """Where a new inventory of a server comes from."""

    async def refresh(self, server_id: str, cause: Envelope) -> InventoryRefreshed:
        """What the server's agent sees now, within half a minute; never raises: a failure says why it is not known."""


class Reports(Protocol):
    """The reports of all accounts; each write is atomic with the event that it says.

    The account is that of the cause. A write raises ConflictError when the record has changed since it was
    loaded, and AlreadyAppliedError when applied names a message that was handled before.
    """

    async def load(self, account: str, server_id: str) -> CheckedServer | None:
        """The last report, or None."""

    async def save(self, checked: CheckedServer, cause: Envelope, *, applied: str | None = None) -> None:
        """Keep the report and say FeasibilityChecked."""

    async def remove(self, checked: CheckedServer, cause: Envelope) -> None:
        """Forget the server; repeated, it does nothing."""
