"""A target's record: what was made for it, and how each request was answered."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final, Literal

from contracts.base import Model
from contracts.inventory import Firmware
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import (
    DiskRequest,
    LaunchTarget,
    PointView,
    ProvisionTarget,
    RehearseTarget,
    TargetMachine,
)

TargetState = Literal["provisioned", "launched", "finished", "released"]
ANSWERS_KEPT: Final = 32


class Layer(Model):
    """A launch layer that exists."""

    id: str
    point_id: str


class Answer(Model):
    """How a request was answered: the event's type and its JSON."""

    request_id: str
    type: str
    event: str


class Launching(Model):
    """A machine that was started and is not healthy yet. correlation_id and actor: of the command."""

    command: LaunchTarget
    correlation_id: str = ""
    actor: str = ""


class Rehearsing(Model):
    """A rehearsal that was begun and has no report yet. id: its own and its layer's."""

    id: str
    command: RehearseTarget
    correlation_id: str = ""
    actor: str = ""


class Target(Model):
    """One target server. volume_id is "" when there is no volume, or when it was lost. volume_attached_at: None for
    a volume that an earlier version made.

    has_helper, is_launching and is_rehearsing are what the watcher searches by.
    """

    id: str
    task_id: str
    provider: str = "local"
    state: TargetState = "provisioned"
    requested_disks: tuple[DiskRequest, ...] = ()
    cpu_count: int = 2
    memory_bytes: int = 1 << 30
    firmware: Firmware = "BIOS"
    replica_disks: tuple[AttachedDisk, ...] = ()
    disks: tuple[AttachedDisk, ...] = ()
    points: tuple[PointView, ...] = ()
    layers: tuple[Layer, ...] = ()
    volume_id: str = ""
    volume_attached_at: datetime | None = None
    volume_size_bytes: int = 0
    helper_agent_id: str = ""
    has_helper: bool = False
    machine: TargetMachine | None = None
    launching: Launching | None = None
    is_launching: bool = False
    rehearsing: Rehearsing | None = None
    is_rehearsing: bool = False
    answers: tuple[Answer, ...] = ()

    def answer_to(self, request_id: str) -> Answer | None:
        """How this request was answered, if it was."""
        return next((answer for answer in self.answers if answer.request_id == request_id), None)

    def answered(self, answer: Answer) -> Target:
        """The record with this answer remembered; only the last ones are."""
        kept = tuple(known for known in self.answers if known.request_id != answer.request_id)
        return self.model_copy(update={"answers": (*kept, answer)[-ANSWERS_KEPT:]})


def name_for(kind: str, request_id: str) -> str:
    """The name of what a request makes: the same whenever it is repeated, so that it is found and not made twice."""
    return f"{kind}-{hashlib.sha256(request_id.encode()).hexdigest()[:16]}"


def provisioned(command: ProvisionTarget, disks: tuple[AttachedDisk, ...], known: Target | None) -> Target:
    """The record of a target whose disks exist; a known one keeps its answers, and what it has unless released."""
    old = known if known is not None and known.state != "released" else None
    base = old or Target(id=command.target_id, task_id=command.task_id, answers=known.answers if known else ())
    return base.model_copy(
        update={
            "provider": command.provider,
            "requested_disks": command.disks,
            "cpu_count": command.cpu_count,
            "memory_bytes": command.memory_bytes,
            "firmware": command.firmware,
            "replica_disks": disks,
        }
    )


def with_point(
    target: Target,
    point_id: str,
    *,
    taken_at: datetime,
    disks: tuple[AttachedDisk, ...],
    layers: int,
    dropped: tuple[str, ...],
) -> Target:
    """The record after a point was taken; those that were merged for it are gone."""
    kept = tuple(point for point in target.points if point.id not in dropped and point.id != point_id)
    point = PointView(id=point_id, taken_at=taken_at, layers=layers)
    return target.model_copy(update={"points": (*kept, point), "replica_disks": disks})


def without_machine(target: Target, layer_id: str) -> Target:
    """The record after a layer with its machine was thrown away."""
    return target.model_copy(
        update={
            "layers": tuple(layer for layer in target.layers if layer.id != layer_id),
            "machine": None,
            "launching": None,
            "is_launching": False,
            "disks": (),
            "state": "provisioned",
        }
    )


def without_rehearsal(target: Target) -> Target:
    """The record after a rehearsal has ended."""
    return target.model_copy(update={"rehearsing": None, "is_rehearsing": False})


def released(target: Target) -> Target:
    """The record of a target of which nothing is left: only its answers, for requests that are repeated."""
    return Target(
        id=target.id, task_id=target.task_id, provider=target.provider, state="released", answers=target.answers
    )
