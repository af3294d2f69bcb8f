"""The feasibility check: requests and the event with its result."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.errors import Failure
from contracts.feasibility import ChangedCheck, FeasibilityReport


class FeasibilityChecked(Message):
    """Event ``server.<id>.feasibility-checked``."""

    TYPE: ClassVar[str] = "sms.feasibility.checked"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    report: FeasibilityReport


class CheckServer(Message):
    """Request ``feasibility.check``: check the server again, with an inventory that its agent collects for it."""

    TYPE: ClassVar[str] = "sms.feasibility.check-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class ShowFeasibility(Message):
    """Request ``feasibility.show``: the last result."""

    TYPE: ClassVar[str] = "sms.feasibility.show"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class FeasibilityDetails(Message):
    """The result of a check. changes: what differs from the report before, for a check that was asked for.

    inventory_at: when the inventory was heard that was checked. not_fresh: why a check that was asked for had to take
    an older one.
    """

    TYPE: ClassVar[str] = "sms.feasibility.details"
    KIND: ClassVar[MessageKind] = "reply"
    server_id: str
    report: FeasibilityReport
    changes: tuple[ChangedCheck, ...] = ()
    inventory_at: datetime | None = None
    not_fresh: Failure | None = None
