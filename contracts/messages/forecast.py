"""The fact that a task's rounds stop or begin again to get ahead of what its source writes."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind


class ConvergenceChanged(Message):
    """Event ``task.<id>.convergence-changed``: whether sync rounds get ahead of the source. Both rates in bytes of
    contents a second; the first verdict is told only when it is bad."""

    TYPE: ClassVar[str] = "sms.task.convergence-changed"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    server_id: str
    server_name: str = ""
    converges: bool
    write_rate_bytes_s: float
    link_rate_bytes_s: float
