"""One task as it is watched: what its transitions tell, and whether it stalls or its replica grows old.

No progress: neither bytes nor files nor the stage of the transfer have moved on while the task copies. Lag: the age
of the oldest change that the replica has not, as the source knows it; otherwise the age of the replica, from the start
of the last round that was completed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.base import Model
from contracts.errors.task import TASK_STOPPED
from contracts.messages.notification import Topic
from contracts.messages.task import Phase, TaskChanged
from services.notification.domain.channel import Channel
from services.notification.domain.notice import Notice

_COPYING: Final = frozenset({"COPY", "SYNC"})
_KEPT_EVERY: Final = timedelta(minutes=1)
_ENDED: Final = frozenset({Phase.FINISHED, Phase.DELETED})
_CUT_SHORT: Final = frozenset({Phase.STOPPING, Phase.PAUSED, Phase.FAILED, Phase.DELETING})
_MAY_SHOW_A_FAILURE: Final = frozenset({Phase.PAUSED, Phase.FAILED, Phase.LAUNCHED})


class Watch(Model):
    """version: of the newest transition heard of. copying_since: of the transfer that runs. round_began_at: of the
    round that runs; of a full copy that was interrupted it stays the first. replica_from: start of the last round
    that was completed. stalled_for and lagging_for: channels that were told. told: counts, so that each telling is
    another one."""

    task_id: str
    server_id: str = ""
    server_name: str = ""
    version: int = 0
    phase: str = ""
    step: str = ""
    copying_since: datetime | None = None
    round_began_at: datetime | None = None
    replica_from: datetime | None = None
    is_cut_over: bool = False
    is_active: bool = True
    stalled_for: tuple[str, ...] = ()
    lagging_for: tuple[str, ...] = ()
    told: int = 0

    @property
    def is_copying(self) -> bool:
        """Whether a transfer runs."""
        return self.step in _COPYING


def moved(watch: Watch, event: TaskChanged, at: datetime) -> Watch:
    """The watch after a transition; one that is older than what is known changes nothing."""
    if event.version <= watch.version:
        return watch
    changes: dict[str, Any] = {
        "server_id": event.server_id,
        "server_name": event.server_name or watch.server_name,
        "version": event.version,
        "phase": event.to_phase.value,
        "step": event.step,
        "is_active": event.to_phase not in _ENDED,
        **_round(watch, event, at),
    }
    changes["replica_from"] = _later(changes.get("replica_from", watch.replica_from), event.replica_from)
    if event.from_phase is Phase.CUTTING_OVER and event.to_phase is Phase.LAUNCHED and event.failure is None:
        changes["is_cut_over"] = True
    if event.to_phase in {Phase.SYNCING, Phase.CUTTING_OVER}:
        changes["is_cut_over"] = False
    return watch.model_copy(update=changes)


def in_step(watch: Watch, at: datetime) -> Watch:
    """The watch of a target that has what the source had changed until then, by its own word while it copies.

    Kept now and then only: it is what is known after a restart, and after a sync that was cut short.
    """
    if watch.replica_from is not None and at - watch.replica_from < _KEPT_EVERY:
        return watch
    return watch.model_copy(update={"replica_from": at})


def notices_of(event: TaskChanged, *, key: str, at: datetime) -> list[Notice]:
    """What a transition is worth telling: an end, or a rest because of a failure that no person asked for."""
    topics: list[Topic] = []
    if event.to_phase in _ENDED and event.from_phase is not event.to_phase:
        topics.append("finished")
    failure = event.failure
    rests = not event.step and event.to_phase in _MAY_SHOW_A_FAILURE
    if rests and failure is not None and failure.code != TASK_STOPPED.code:
        topics.append("failed")
    return [
        Notice(
            key=key,
            topic=topic,
            occurred_at=at,
            task_id=event.task_id,
            server_id=event.server_id,
            server_name=event.server_name,
            phase=event.to_phase.value,
            failure=failure if topic == "failed" else None,
        )
        for topic in topics
    ]


def look(
    watch: Watch, channels: Sequence[Channel], *, now: datetime, quiet_s: float, lag_s: float | None = None
) -> tuple[Watch, list[tuple[Channel, Notice]]]:
    """What is to be told now, and the watch that remembers it. quiet_s: since when nothing has moved. lag_s: as the
    source knows it; without it, the age of the last round that was completed."""
    if lag_s is None:
        lag_s = (now - watch.replica_from).total_seconds() if watch.replica_from is not None else 0.0
    found: list[tuple[Channel, Notice]] = []
    for topic in ("stalled", "lag"):
        told = set(watch.stalled_for if topic == "stalled" else watch.lagging_for)
        for channel in channels:
            seconds, is_so, is_worth_an_end = _judge(watch, channel, topic, lag_s=lag_s, quiet_s=quiet_s)
            if is_so == (channel.id in told):
                continue
            told.symmetric_difference_update({channel.id})
            if is_so or is_worth_an_end:
                watch = watch.model_copy(update={"told": watch.told + 1})
                found.append((channel, _notice(watch, topic, now, seconds, is_over=not is_so)))
        told &= {channel.id for channel in channels}
        field = "stalled_for" if topic == "stalled" else "lagging_for"
        watch = watch.model_copy(update={field: tuple(sorted(told))})
    return watch, found


def _judge(watch: Watch, channel: Channel, topic: str, *, lag_s: float, quiet_s: float) -> tuple[int, bool, bool]:
    """(seconds, whether it is so now, whether its end is worth telling)."""
    if topic == "stalled":
        limit_s = channel.stalled_after_s
        is_so = channel.wants("stalled") and limit_s > 0 and watch.is_copying and quiet_s >= limit_s
        # A task that was stopped or has failed is told about, if at all, as such.
        return int(quiet_s), is_so, channel.wants("stalled") and watch.phase not in _CUT_SHORT
    is_kept_up = watch.is_active and not watch.is_cut_over and watch.phase != Phase.DELETING
    is_so = channel.wants("lag") and channel.lag_above_s > 0 and is_kept_up and lag_s > channel.lag_above_s
    return int(lag_s), is_so, channel.wants("lag") and is_kept_up


def _notice(watch: Watch, topic: Topic, now: datetime, seconds: int, *, is_over: bool) -> Notice:
    return Notice(
        key=f"{watch.task_id}:{watch.told}",
        topic=topic,
        occurred_at=now,
        is_over=is_over,
        task_id=watch.task_id,
        server_id=watch.server_id,
        server_name=watch.server_name,
        phase=watch.phase,
        seconds=seconds,
    )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [each for each in (one, other) if each is not None]
    return max(known) if known else None


def _round(watch: Watch, event: TaskChanged, at: datetime) -> dict[str, object]:
    """A round begins with its step and is complete when the task goes on from it."""
    if event.step in _COPYING:
        if event.step == watch.step:
            return {}
        is_same_copy = event.step == "COPY" and watch.round_began_at is not None
        return {"copying_since": at, "round_began_at": watch.round_began_at if is_same_copy else at}
    if not watch.is_copying:
        return {}
    if event.to_phase in _CUT_SHORT or event.failure is not None:
        return {} if watch.step == "COPY" else {"round_began_at": None}
    return {"replica_from": watch.round_began_at, "round_began_at": None}
