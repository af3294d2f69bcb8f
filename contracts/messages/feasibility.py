"""The feasibility check: requests and the event with its result."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.feasibility import ChangedCheck, FeasibilityReport


class FeasibilityChecked(Message):
    """Event ``server.<id>.feasibility-checked``."""

    TYPE: ClassVar[str] = "sms.feasibility.checked"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    report: FeasibilityReport


class CheckServer(Message):
    """Request ``feasibility.check``: check the server again with the last known inventory."""

    TYPE: ClassVar[str] = "sms.feasibility.check-server"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class ShowFeasibility(Message):
    """Request ``feasibility.show``: the last result."""

    TYPE: ClassVar[str] = "sms.feasibility.show"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class FeasibilityDetails(Message):
    """The result of a check. changes: what differs from the report before, for a check that was asked for."""

    TYPE: ClassVar[str] = "sms.feasibility.details"
    KIND: ClassVar[MessageKind] = "reply"
    server_id: str
    report: FeasibilityReport
    changes: tuple[ChangedCheck, ...] = ()
