"""What is told, in words. Everything that an agent or a user wrote is reduced to one line of printable text."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final, Literal

from contracts.base import Model
from contracts.errors import Failure
from contracts.messages.notification import Notification, Topic

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_LONGEST_FIELD: Final = 1000
_LONGEST_SUBJECT: Final = 120


class Notice(Model):
    """Something worth telling, before it is known to whom. key: the same when it is found again. seconds: how long
    nothing has moved, or how old the replica is."""

    key: str
    topic: Topic | Literal["test"]
    occurred_at: datetime
    is_over: bool = False
    task_id: str = ""
    server_id: str = ""
    server_name: str = ""
    phase: str = ""
    failure: Failure | None = None
    seconds: int = 0


def delivery_id(notice: Notice, channel_id: str) -> str:
    """The same for the same notice on the same channel; ids sort as times do."""
    digest = hashlib.sha256(f"{channel_id}\n{notice.topic}\n{notice.key}".encode()).hexdigest()[:24]
    return f"{int(notice.occurred_at.timestamp() * 1000):014d}-{digest}"


def notification(notice: Notice, *, account: str, channel_id: str) -> Notification:
    """The message to one channel."""
    failure = notice.failure
    headline = _headline(notice)
    who = one_line(notice.server_name or notice.server_id)
    fields = {
        "Server": f"{who} ({notice.server_id})" if notice.server_id else "",
        "Task": notice.task_id,
        "Phase": notice.phase,
        "Code": failure.code if failure else "",
        "Cause": failure.cause if failure else "",
        "Remedy": failure.remedy if failure else "",
        "Time": notice.occurred_at.isoformat(timespec="seconds"),
    }
    lines = [f"{name}: {one_line(value)}" for name, value in fields.items() if value]
    subject = f"{who}: {headline}" if who else headline
    return Notification(
        delivery_id=delivery_id(notice, channel_id),
        channel_id=channel_id,
        account=account,
        topic=notice.topic,
        occurred_at=notice.occurred_at,
        is_over=notice.is_over,
        is_test=notice.topic == "test",
        task_id=notice.task_id,
        server_id=notice.server_id,
        server_name=one_line(notice.server_name),
        phase=notice.phase,
        code=failure.code if failure else "",
        cause=one_line(failure.cause) if failure else "",
        remedy=one_line(failure.remedy) if failure else "",
        subject=subject[:_LONGEST_SUBJECT],
        text="\n".join([f"{headline[0].upper()}{headline[1:]}.", "", *lines]),
    )


def one_line(text: str) -> str:
    """Printable, on one line, of bounded length: no header, no terminal and no reader is misled by it."""
    return _UNPRINTABLE.sub(" ", text).strip()[:_LONGEST_FIELD]


def _headline(notice: Notice) -> str:
    match notice.topic:
        case "finished":
            return "the migration task was deleted" if notice.phase == "DELETED" else "the migration has finished"
        case "failed":
            return "the migration has failed" if notice.phase == "FAILED" else "the migration is held up by a failure"
        case "stalled" if notice.is_over:
            return "the copy makes progress again"
        case "stalled":
            return f"the copy has made no progress for {notice.seconds} s"
        case "lag" if notice.is_over:
            return f"the replica has caught up: it is {notice.seconds} s old"
        case "lag":
            return f"the replica is {notice.seconds} s old"
        case _:
            return "this is a test of the notification channel"
