"""What is known of a task from events: a set of facts that only grows, so that neither order nor repetition matters.

Every merge takes the earliest of several times for one fact, or the statement with the highest version. The cost
is computed from the whole, never added up event by event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.messages.task import Phase, TaskChanged, TaskCreated

ENDED: Final = frozenset({Phase.FINISHED, Phase.DELETED})
# Where a task goes from COPYING when the full copy has not ended.
_COPY_IS_UNFINISHED: Final = frozenset({Phase.COPYING, Phase.STOPPING, Phase.PAUSED, Phase.FAILED, Phase.DELETING})


class Attachment(Model):
    """A temporary volume of the task, since when, and how large."""

    volume_id: str
    attached_at: datetime
    size_bytes: int


class TaskFacts(Model):
    """created_at is None until the task's creation has been heard of. version: of the newest transition heard of.

    copied_at: when the full copy ended. releases: times at which a volume of the task was gone; each ends the
    volume that was attached last before it.
    """

    task_id: str
    server_id: str = ""
    project_id: str = ""
    created_at: datetime | None = None
    source_used_bytes: int = 0
    version: int = 0
    phase: str = ""
    copied_at: datetime | None = None
    ended_at: datetime | None = None
    attachments: tuple[Attachment, ...] = ()
    releases: tuple[datetime, ...] = ()
    points: tuple[str, ...] = ()


class ServerFacts(Model):
    """What a source server has in use, by its newest inventory."""

    used_bytes: int
    reported_at: datetime


def with_creation(facts: TaskFacts, event: TaskCreated, at: datetime) -> TaskFacts:
    """The task exists."""
    known = {
        "server_id": event.server_id,
        "project_id": event.project_id,
        "created_at": _earliest(facts.created_at, at),
        "source_used_bytes": max(facts.source_used_bytes, event.source_used_bytes),
    }
    if not facts.phase:
        known["phase"] = Phase.READY.value
    return facts.model_copy(update=known)


def with_transition(facts: TaskFacts, event: TaskChanged, at: datetime) -> TaskFacts:
    """The task has moved on."""
    known: dict[str, object] = {"server_id": event.server_id}
    if event.version > facts.version:
        known |= {"version": event.version, "phase": event.to_phase.value}
    if event.from_phase is Phase.COPYING and event.to_phase not in _COPY_IS_UNFINISHED:
        known["copied_at"] = _earliest(facts.copied_at, at)
    if event.to_phase in ENDED:
        known["ended_at"] = _earliest(facts.ended_at, at)
    return facts.model_copy(update=known)


def with_attachment(facts: TaskFacts, volume_id: str, at: datetime, size_bytes: int) -> TaskFacts:
    """A temporary volume was attached; a helper that is started anew on the same one says so again."""
    others = [known for known in facts.attachments if known.volume_id != volume_id]
    for known in facts.attachments:
        if known.volume_id == volume_id:
            at, size_bytes = min(at, known.attached_at), max(size_bytes, known.size_bytes)
    new = Attachment(volume_id=volume_id, attached_at=at, size_bytes=size_bytes)
    ordered = sorted([*others, new], key=lambda one: (one.attached_at, one.volume_id))
    return facts.model_copy(update={"attachments": tuple(ordered)})


def with_release(facts: TaskFacts, at: datetime) -> TaskFacts:
    """The task's volume, if it had one, was gone at this time."""
    return facts.model_copy(update={"releases": tuple(sorted({*facts.releases, at}))})


def with_point(facts: TaskFacts, point_id: str) -> TaskFacts:
    """A point was taken."""
    return facts.model_copy(update={"points": tuple(sorted({*facts.points, point_id}))})


def newer_server(known: ServerFacts | None, heard: ServerFacts) -> ServerFacts:
    """The newer of two reports; of two at one time the larger, so that order does not matter."""
    if known is None:
        return heard
    return max(known, heard, key=lambda one: (one.reported_at, one.used_bytes))


def _earliest(known: datetime | None, heard: datetime) -> datetime:
    return heard if known is None else min(known, heard)
