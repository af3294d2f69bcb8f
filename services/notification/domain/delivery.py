"""One notification on its way to one channel: attempts, pauses, and the end."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.base import Model
from contracts.errors import Failure
from contracts.messages.notification import DeliveryState, DeliveryView, Notification


class Delivery(Model):
    """is_pending: still to be sent, at due_at or later. A claim moves due_at into the future, so that a second
    process leaves it alone, and one that was killed does not keep it for ever."""

    id: str
    channel_id: str
    notification: Notification
    is_pending: bool = True
    state: DeliveryState = "pending"
    attempts: int = 0
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None = None
    failure: Failure | None = None
    note: str = ""


def new_delivery(notification: Notification, *, now: datetime) -> Delivery:
    """Due at once."""
    return Delivery(
        id=notification.delivery_id,
        channel_id=notification.channel_id,
        notification=notification,
        created_at=now,
        due_at=now,
    )


def claimed(delivery: Delivery, *, now: datetime, lease_s: float) -> Delivery:
    """An attempt begins."""
    due_at = now + timedelta(seconds=lease_s)
    return delivery.model_copy(update={"attempts": delivery.attempts + 1, "due_at": due_at})


def arrived(delivery: Delivery, *, now: datetime, note: str) -> Delivery:
    """It was delivered."""
    changes = {"is_pending": False, "state": "delivered", "ended_at": now, "note": note, "failure": None}
    return delivery.model_copy(update=changes)


def missed(delivery: Delivery, failure: Failure, *, now: datetime, delays_s: tuple[float, ...]) -> Delivery:
    """An attempt has failed: the next one after a pause, or, after the last pause, none."""
    if delivery.attempts > len(delays_s):
        return given_up(delivery, failure, now=now)
    due_at = now + timedelta(seconds=delays_s[delivery.attempts - 1])
    return delivery.model_copy(update={"due_at": due_at, "failure": failure})


def given_up(delivery: Delivery, failure: Failure, *, now: datetime) -> Delivery:
    """It will not be sent any more."""
    return delivery.model_copy(update={"is_pending": False, "state": "failed", "ended_at": now, "failure": failure})


def show(delivery: Delivery) -> DeliveryView:
    """As its user sees it."""
    told = delivery.notification
    return DeliveryView(
        id=delivery.id,
        topic=told.topic,
        task_id=told.task_id,
        is_over=told.is_over,
        state=delivery.state,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        ended_at=delivery.ended_at,
        next_attempt_at=delivery.due_at if delivery.is_pending else None,
        failure=delivery.failure,
        note=delivery.note,
    )
