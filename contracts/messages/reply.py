"""The replies that every request shares."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.errors import Failure


class Refused(Message):
    """The request was not carried out; nothing was changed."""

    TYPE: ClassVar[str] = "sms.reply.refused"
    KIND: ClassVar[MessageKind] = "reply"
    failure: Failure


class Accepted(Message):
    """The request was carried out, or has been written down and will be. id: of the object concerned."""

    TYPE: ClassVar[str] = "sms.reply.accepted"
    KIND: ClassVar[MessageKind] = "reply"
    id: str = ""


class HealthRequest(Message):
    """Ask a service whether it serves: subject ``sms.v1.req.<service>.health``."""

    TYPE: ClassVar[str] = "sms.request.health"
    KIND: ClassVar[MessageKind] = "request"


class HealthReply(Message):
    """is_healthy: store and bus answer. pending_outbox: messages committed and not yet published."""

    TYPE: ClassVar[str] = "sms.reply.health"
    KIND: ClassVar[MessageKind] = "reply"
    service: str
    is_healthy: bool
    pending_outbox: int = 0
