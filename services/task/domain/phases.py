"""The saga of one migration as data: which steps a leg has, and what a user may ask for in which phase.

Nothing else assigns a phase or a step. `docs/task-phases.md` and the stateful test are made from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.messages.task import Phase, TaskAction


class Step(StrEnum):
    """One thing that is waited for: an answer of a service or of an agent."""

    PROVISION = "PROVISION"
    BOOT_HELPER = "BOOT_HELPER"
    CREATE_AUTHORITY = "CREATE_AUTHORITY"
    SOURCE_KEY = "SOURCE_KEY"
    SOURCE_CERTIFICATE = "SOURCE_CERTIFICATE"
    TARGET_KEY = "TARGET_KEY"
    TARGET_CERTIFICATE = "TARGET_CERTIFICATE"
    PREPARE_TARGET = "PREPARE_TARGET"
    OPEN_CHANNEL = "OPEN_CHANNEL"
    CHECK_NETWORK = "CHECK_NETWORK"
    COPY = "COPY"
    SYNC = "SYNC"
    VERIFY = "VERIFY"
    DETACH = "DETACH"
    TAKE_POINT = "TAKE_POINT"
    CREATE_LAYER = "CREATE_LAYER"
    PLAN = "PLAN"
    ADAPT = "ADAPT"
    LAUNCH = "LAUNCH"
    STOP_SOURCE = "STOP_SOURCE"
    RELEASE_SOURCE = "RELEASE_SOURCE"
    FINISH = "FINISH"
    RELEASE = "RELEASE"
    FORGET_SOURCE = "FORGET_SOURCE"
    DESTROY_AUTHORITY = "DESTROY_AUTHORITY"


class Leg(StrEnum):
    """A row of steps that ends in another leg or at rest."""

    WAITING = "WAITING"
    MEASURING = "MEASURING"
    PREPARING = "PREPARING"
    COPYING = "COPYING"
    COPYING_AGAIN = "COPYING_AGAIN"
    CHECKING = "CHECKING"
    CHECKING_AGAIN = "CHECKING_AGAIN"
    SKIPPING_CHECK = "SKIPPING_CHECK"
    LAUNCHING = "LAUNCHING"
    LAUNCHING_AGAIN = "LAUNCHING_AGAIN"
    LAUNCHED = "LAUNCHED"
    SYNCING = "SYNCING"
    CUTTING_OVER = "CUTTING_OVER"
    RELEASING = "RELEASING"
    VERIFYING = "VERIFYING"
    SKIPPING = "SKIPPING"
    FINISHING = "FINISHING"
    STOPPING = "STOPPING"
    PAUSED = "PAUSED"
    FAILED = "FAILED"
    FINISHED = "FINISHED"
    DELETING = "DELETING"
    DELETED = "DELETED"


@dataclass(frozen=True)
class Plan:
    """phase: what the user sees. then: the leg that follows the last step."""

    phase: Phase
    steps: tuple[Step, ...] = ()
    then: Leg | None = None


_KEYS: Final = (Step.SOURCE_KEY, Step.SOURCE_CERTIFICATE, Step.TARGET_KEY, Step.TARGET_CERTIFICATE)
_HELPER: Final = (Step.PROVISION, Step.BOOT_HELPER, Step.CREATE_AUTHORITY, *_KEYS)
# Every leg that moves data starts at the helper: it is found when it is there and made anew when it was lost.
_CHANNEL: Final = (Step.BOOT_HELPER, *_KEYS, Step.PREPARE_TARGET)
_LAUNCH: Final = (Step.CREATE_LAYER, Step.PLAN, Step.ADAPT, Step.LAUNCH)

LEGS: Final[dict[Leg, Plan]] = {
    Leg.WAITING: Plan(Phase.READY),
    # The network is measured before anything is wiped: the helper listens, and has no disk attached.
    Leg.MEASURING: Plan(
        Phase.READY,
        (*_HELPER, Step.OPEN_CHANNEL, Step.CHECK_NETWORK, Step.DETACH),
        then=Leg.WAITING,
    ),
    # Without the user's wish, or after a measurement, CHECK_NETWORK is passed by.
    Leg.PREPARING: Plan(
        Phase.PREPARING,
        (*_HELPER, Step.PREPARE_TARGET, Step.CHECK_NETWORK),
        then=Leg.COPYING,
    ),
    Leg.COPYING: Plan(Phase.COPYING, (Step.COPY,), then=Leg.LAUNCHING),
    Leg.COPYING_AGAIN: Plan(Phase.COPYING, (*_CHANNEL, Step.COPY), then=Leg.LAUNCHING),
    Leg.CHECKING: Plan(Phase.COPYING, (Step.VERIFY,), then=Leg.LAUNCHING),
    Leg.CHECKING_AGAIN: Plan(Phase.COPYING, (*_CHANNEL, Step.VERIFY), then=Leg.LAUNCHING),
    Leg.SKIPPING_CHECK: Plan(Phase.COPYING, (Step.STOP_SOURCE,), then=Leg.LAUNCHING),
    Leg.LAUNCHING: Plan(Phase.LAUNCHING, (Step.DETACH, Step.TAKE_POINT, *_LAUNCH), then=Leg.LAUNCHED),
    Leg.LAUNCHING_AGAIN: Plan(Phase.LAUNCHING, (Step.BOOT_HELPER, *_LAUNCH), then=Leg.LAUNCHED),
    Leg.LAUNCHED: Plan(Phase.LAUNCHED),
    Leg.SYNCING: Plan(Phase.SYNCING, (*_CHANNEL, Step.SYNC), then=Leg.LAUNCHING),
    Leg.CUTTING_OVER: Plan(
        Phase.CUTTING_OVER, (*_CHANNEL, Step.SYNC, Step.DETACH, Step.TAKE_POINT, *_LAUNCH), then=Leg.RELEASING
    ),
    # The target has taken over: what the source has kept for that moment is run. Without such commands it is passed by.
    Leg.RELEASING: Plan(Phase.CUTTING_OVER, (Step.RELEASE_SOURCE,), then=Leg.LAUNCHED),
    Leg.VERIFYING: Plan(Phase.LAUNCHED, (*_CHANNEL, Step.VERIFY, Step.DETACH), then=Leg.LAUNCHED),
    Leg.SKIPPING: Plan(Phase.LAUNCHED, (Step.STOP_SOURCE, Step.DETACH), then=Leg.LAUNCHED),
    Leg.FINISHING: Plan(Phase.LAUNCHED, (Step.FINISH, Step.FORGET_SOURCE, Step.DESTROY_AUTHORITY), then=Leg.FINISHED),
    Leg.STOPPING: Plan(Phase.STOPPING, (Step.STOP_SOURCE,), then=Leg.PAUSED),
    Leg.PAUSED: Plan(Phase.PAUSED),
    Leg.FAILED: Plan(Phase.FAILED),
    Leg.FINISHED: Plan(Phase.FINISHED),
    Leg.DELETING: Plan(Phase.DELETING, (Step.FORGET_SOURCE, Step.RELEASE, Step.DESTROY_AUTHORITY), then=Leg.DELETED),
    Leg.DELETED: Plan(Phase.DELETED),
}

# A task whose user wants every copy checked goes here instead of to the launch: the replica is mounted still, and
# what is wrong is known before anything boots from it.
CHECKED_FIRST: Final = {
    Leg.COPYING: Leg.CHECKING,
    Leg.COPYING_AGAIN: Leg.CHECKING,
    Leg.SYNCING: Leg.CHECKING,
}
# (where, in which step): what begins when the user does not want to wait for the verification's end.
SKIPS: Final[dict[tuple[Leg, Step], Leg]] = {
    (Leg.CHECKING, Step.VERIFY): Leg.SKIPPING_CHECK,
    (Leg.CHECKING_AGAIN, Step.VERIFY): Leg.SKIPPING_CHECK,
    (Leg.VERIFYING, Step.VERIFY): Leg.SKIPPING,
}
AT_REST: Final = frozenset(leg for leg, plan in LEGS.items() if not plan.steps)
FINAL: Final = frozenset({Leg.FINISHED, Leg.DELETED})
NEEDS_POINT: Final = frozenset({TaskAction.LAUNCH, TaskAction.SYNC, TaskAction.CUTOVER, TaskAction.VERIFY})
# What waits for an agent that may be gone for good must not keep a task from ending.
MAY_BE_SKIPPED: Final = frozenset({Step.FORGET_SOURCE, Step.RELEASE_SOURCE})
# While one of these runs, the source sends data: ending the step from elsewhere must stop the source first.
SOURCE_IS_BUSY: Final = frozenset({Step.COPY, Step.SYNC, Step.VERIFY})
NEEDS_HELPER_VOLUME: Final = frozenset({Step.PREPARE_TARGET, Step.COPY, Step.SYNC, Step.VERIFY, Step.PLAN, Step.ADAPT})

_STOPPABLE: Final = (
    Leg.MEASURING,
    Leg.PREPARING,
    Leg.COPYING,
    Leg.COPYING_AGAIN,
    Leg.CHECKING,
    Leg.CHECKING_AGAIN,
    Leg.LAUNCHING,
    Leg.LAUNCHING_AGAIN,
    Leg.SYNCING,
    Leg.VERIFYING,
)
# (where, what the user asks): the leg that begins. START from PAUSED and FAILED resumes, see RESUME_IN.
ACTIONS: Final[dict[tuple[Leg, TaskAction], Leg]] = {
    (Leg.WAITING, TaskAction.START): Leg.PREPARING,
    (Leg.LAUNCHED, TaskAction.SYNC): Leg.SYNCING,
    (Leg.LAUNCHED, TaskAction.CUTOVER): Leg.CUTTING_OVER,
    (Leg.LAUNCHED, TaskAction.LAUNCH): Leg.LAUNCHING_AGAIN,
    (Leg.LAUNCHED, TaskAction.VERIFY): Leg.VERIFYING,
    (Leg.LAUNCHED, TaskAction.FINISH): Leg.FINISHING,
    # A source that syncs continuously ends that when it is told of another round, which these begin with.
    (Leg.SYNCING, TaskAction.LAUNCH): Leg.SYNCING,
    (Leg.SYNCING, TaskAction.CUTOVER): Leg.CUTTING_OVER,
    # These need a point only: neither a sync round that cannot end nor a launch that fails makes a copy useless.
    **{
        (leg, action): begun
        for leg in (Leg.PAUSED, Leg.FAILED)
        for action, begun in (
            (TaskAction.LAUNCH, Leg.LAUNCHING_AGAIN),
            (TaskAction.SYNC, Leg.SYNCING),
            (TaskAction.CUTOVER, Leg.CUTTING_OVER),
            (TaskAction.VERIFY, Leg.VERIFYING),
        )
    },
    **{(leg, TaskAction.STOP): Leg.STOPPING for leg in _STOPPABLE},
    **{
        (leg, TaskAction.DELETE): Leg.DELETING
        for leg in Leg
        if leg not in {Leg.CUTTING_OVER, Leg.RELEASING, Leg.FINISHING, Leg.STOPPING, Leg.DELETING, Leg.DELETED}
    },
}
# Where a leg that ended early begins again, by the step that it ended in; a leg not named here, or a step
# before those named, begins at its first step: every step may be repeated.
RESUME_IN: Final[dict[tuple[Leg, Step], Leg]] = {
    (Leg.COPYING, Step.COPY): Leg.COPYING_AGAIN,
    (Leg.CHECKING, Step.VERIFY): Leg.CHECKING_AGAIN,
    **{(leg, step): Leg.LAUNCHING_AGAIN for leg in (Leg.LAUNCHING, Leg.CUTTING_OVER) for step in _LAUNCH},
    **{(Leg.VERIFYING, step): Leg.LAUNCHED for step in (*_CHANNEL, Step.VERIFY, Step.DETACH)},
}
# A verification or a finish that fails leaves a launched target as it is, with the failure shown.
FAILS_AT_REST: Final = frozenset({Leg.VERIFYING, Leg.SKIPPING, Leg.FINISHING, Leg.RELEASING})


def next_place(leg: Leg, step: Step, *, is_checked_first: bool = False) -> tuple[Leg, Step | None]:
    """Where a task goes when a step has succeeded: the next step, or the first one of the leg that follows."""
    plan = LEGS[leg]
    position = plan.steps.index(step) + 1
    if position < len(plan.steps):
        return leg, plan.steps[position]
    if plan.then is None:
        raise ValueError(f"{leg} has no end")
    then = CHECKED_FIRST.get(leg, plan.then) if is_checked_first else plan.then
    return then, first_step(then)


def first_step(leg: Leg) -> Step | None:
    """The first step of a leg, None for a leg at rest."""
    steps = LEGS[leg].steps
    return steps[0] if steps else None
