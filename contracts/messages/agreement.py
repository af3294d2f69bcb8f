"""What a user has agreed to, what the service offers, and which servers' migrations have met an error."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure


class AcceptPrivacyAgreement(Message):
    """Request ``task.accept-privacy-agreement``: for the user who asks; repeated, the first time counts."""

    TYPE: ClassVar[str] = "sms.agreement.accept"
    KIND: ClassVar[MessageKind] = "request"
    user_id: str


class ShowPrivacyAgreement(Message):
    """Request ``task.show-privacy-agreement``."""

    TYPE: ClassVar[str] = "sms.agreement.show"
    KIND: ClassVar[MessageKind] = "request"
    user_id: str


class PrivacyAgreement(Message):
    """accepted_at: None while the user has not agreed."""

    TYPE: ClassVar[str] = "sms.agreement.details"
    KIND: ClassVar[MessageKind] = "reply"
    accepted_at: datetime | None = None


class PrivacyAgreementAccepted(Message):
    """Event ``agreement.<user id>.accepted``."""

    TYPE: ClassVar[str] = "sms.agreement.accepted"
    KIND: ClassVar[MessageKind] = "event"
    user_id: str


class ShowOffer(Message):
    """Request ``task.show-offer``: what tasks and templates may choose from."""

    TYPE: ClassVar[str] = "sms.offer.show"
    KIND: ClassVar[MessageKind] = "request"


class Offer(Message):
    """regions: the first is the main one. default_flavor: of a template that names none. largest_flavor: the most that
    the same form may ask for."""

    TYPE: ClassVar[str] = "sms.offer.details"
    KIND: ClassVar[MessageKind] = "reply"
    regions: tuple[str, ...]
    disk_types: tuple[str, ...]
    default_flavor: str
    largest_flavor: str
    project_limit: int
    template_limit: int


class ListTaskErrors(Message):
    """Request ``task.list-errors``: servers whose migration rests because of a failure, in the order of their tasks."""

    TYPE: ClassVar[str] = "sms.task.list-errors"
    KIND: ClassVar[MessageKind] = "request"
    limit: int = 50
    offset: int = 0


class TaskErrorRow(Model):
    """A server whose task rests in PAUSED or FAILED. Addresses are "" where none is known."""

    task_id: str
    server_id: str
    server_name: str = ""
    host_name: str = ""
    source_address: str = ""
    target_address: str = ""
    failure: Failure


class TaskErrors(Message):
    """count: all of the account. A page may be shorter than limit: a message has a largest size."""

    TYPE: ClassVar[str] = "sms.task.errors"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    errors: tuple[TaskErrorRow, ...]
