"""The signed report of a task's last verification."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.verification import VerificationDocument


class ShowVerification(Message):
    """Request ``task.verification``: the last verification, signed now."""

    TYPE: ClassVar[str] = "sms.task.show-verification"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str


class TaskVerification(Message):
    """The answer to ShowVerification."""

    TYPE: ClassVar[str] = "sms.task.verification"
    KIND: ClassVar[MessageKind] = "reply"
    document: VerificationDocument
