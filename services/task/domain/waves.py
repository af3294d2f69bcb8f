"""A wave: a set of servers with the last thing that was asked of it. Where its servers are, their tasks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from contracts.base import Model
from contracts.errors import Failure, MigrationError
from contracts.errors.wave import WAVE_BUSY, WAVE_EMPTY, WAVE_INVALID, WAVE_NO_CONSENT, WAVE_TOO_LARGE
from contracts.messages.task import Phase, TaskAction
from contracts.messages.wave import ActOnWave, WaveAction, WaveChanges, WaveFields
from services.task.domain.names import why_no_name, why_no_text
from services.task.domain.phases import FINAL, LEGS, Leg, Step
from services.task.domain.sizes import refuse_unfit_options

MOST_WAVES: Final = 200
# A wave is one record and one reply: 500 rows with a failure each stay below the bus's message size.
MOST_SERVERS: Final = 500
MOST_RUNNING: Final = 100
_MOST_TAGS: Final = 20
_HIGHEST_RATE_BIT_S: Final = 1000 * 10**6
# Whatever takes a link or a disk for long waits for its turn; a cutover is done together, and a stop at once.
_TAKES_TURNS: Final = frozenset({WaveAction.START, WaveAction.SYNC, WaveAction.VERIFY, WaveAction.FINISH})


class RoundGlance(Model):
    """As much of a round's summary as a wave needs."""

    bytes_total: int = 0


class TaskGlance(Model):
    """As much of a task's record as a wave needs; a record's inventory and layout are not even read."""

    id: str
    server_id: str
    server_name: str = ""
    leg: Leg = Leg.WAITING
    step: Step | None = None
    failure: Failure | None = None
    is_cut_over: bool = False
    rounds: tuple[RoundGlance, ...] = ()

    @property
    def phase(self) -> Phase:
        """What the user sees."""
        return LEGS[self.leg].phase

    @property
    def is_running(self) -> bool:
        """Whether it does something now."""
        return self.step is not None

    @property
    def has_ended(self) -> bool:
        """Whether its server may have another task."""
        return self.leg in FINAL


class Member(Model):
    """A server of a wave. task_id: the last task that the wave has seen for it. order: the number of the last order
    that it had its turn in. failure: why that was refused."""

    server_id: str
    task_id: str = ""
    order: int = 0
    failure: Failure | None = None


class Order(Model):
    """What was asked of the wave. number: counts the orders; with the server's id it makes every command that follows
    from it recognisable, however often a restart has it said."""

    number: int
    action: WaveAction
    actor: str = ""
    at: datetime
    has_consent: bool = False
    overwrite_target: bool = False


class Wave(WaveFields):
    """The record."""

    id: str
    account: str
    members: tuple[Member, ...] = ()
    order: Order | None = None
    created_at: datetime

    @property
    def waiting(self) -> tuple[Member, ...]:
        """Those that have not had their turn in the last order."""
        if self.order is None:
            return ()
        return tuple(member for member in self.members if member.order < self.order.number)

    @property
    def refused(self) -> tuple[Member, ...]:
        """Those for which the last order was refused."""
        return tuple(member for member in self.members if member.failure is not None)


Wish = Literal["create", "act", "nothing", "refuse"]


def change_wave(wave: Wave, changes: WaveChanges) -> Wave:
    """Raises MigrationError SMS.WAVE.INVALID."""
    given = {name: value for name in WaveFields.model_fields if (value := getattr(changes, name)) is not None}
    changed = wave.model_copy(update=given)
    refuse_unfit(changed)
    return changed


def refuse_unfit(wave: WaveFields) -> None:
    """Raises MigrationError SMS.WAVE.INVALID, SMS.TASK.SETTING_INVALID."""
    refuse_unfit_options(wave.options)
    reasons = {
        "name": why_no_name(wave.name),
        "template": why_no_text(wave.template_id),
        "project": why_no_text(wave.project_id),
        "tags": next((why for key, value in wave.tags.items() if (why := why_no_text(key + value))), ""),
        "servers": next((why for server_id in wave.server_ids if (why := why_no_text(server_id))), ""),
    }
    if len(wave.tags) > _MOST_TAGS:
        reasons["tags"] = f"there are {len(wave.tags)}; {_MOST_TAGS} are allowed"
    if len(wave.server_ids) > MOST_SERVERS:
        reasons["servers"] = f"there are {len(wave.server_ids)}; {MOST_SERVERS} are allowed"
    if not 1 <= wave.max_running <= MOST_RUNNING:
        reasons["limit of running tasks"] = f"it is {wave.max_running}, not 1 to {MOST_RUNNING}"
    if not 0 <= wave.rate_limit_bit_s <= _HIGHEST_RATE_BIT_S:
        rate, most = wave.rate_limit_bit_s // 10**6, _HIGHEST_RATE_BIT_S // 10**6
        reasons["rate limit"] = f"it is {rate} Mbit/s, not 0 to {most}"
    for field, reason in reasons.items():
        if reason:
            raise MigrationError(WAVE_INVALID, field=field, reason=reason)


def begin_order(wave: Wave, request: ActOnWave, tagged: Sequence[str], *, actor: str, at: datetime) -> Wave:
    """Take an action on. tagged: ids of the servers that carry the wave's tags now (looked at for a start only).

    Raises MigrationError SMS.WAVE.BUSY, EMPTY, TOO_LARGE, NO_CONSENT.
    """
    if wave.order is not None and wave.waiting and request.action is not WaveAction.STOP:
        raise MigrationError(
            WAVE_BUSY,
            name=wave.name,
            action=wave.order.action.value,
            waiting=len(wave.waiting),
            wave_id=wave.id,
        )
    members = wave.members
    if request.action is WaveAction.START:
        members = gather(wave, tagged)
        if not request.has_consent:
            raise MigrationError(WAVE_NO_CONSENT, name=wave.name, wave_id=wave.id)
    if not members:
        raise MigrationError(
            WAVE_EMPTY, name=wave.name, listed=len(wave.server_ids), tagged=len(tagged), wave_id=wave.id
        )
    order = Order(
        number=wave.order.number + 1 if wave.order else 1,
        action=request.action,
        actor=actor,
        at=at,
        has_consent=request.has_consent,
        overwrite_target=request.overwrite_target,
    )
    fresh = tuple(member.model_copy(update={"failure": None}) for member in members)
    return wave.model_copy(update={"members": fresh, "order": order})


def gather(wave: Wave, tagged: Sequence[str]) -> tuple[Member, ...]:
    """Who belongs to the wave now: those listed, then those tagged, each once; what is known of one is kept.

    Raises MigrationError SMS.WAVE.TOO_LARGE.
    """
    known = {member.server_id: member for member in wave.members}
    wanted = list(dict.fromkeys((*wave.server_ids, *tagged)))
    if len(wanted) > MOST_SERVERS:
        raise MigrationError(WAVE_TOO_LARGE, count=len(wanted), name=wave.name, limit=MOST_SERVERS)
    return tuple(known.get(server_id) or Member(server_id=server_id) for server_id in wanted)


def next_turns(wave: Wave, tasks: Mapping[str, TaskGlance]) -> tuple[Member, ...]:
    """Whose turn it is now. tasks: by server, of those that have one.

    A server whose task runs already takes no new place: that is so after a restart, between the command and the note
    that it was given. So never more than max_running run because of the wave.
    """
    if wave.order is None:
        return ()
    waiting = wave.waiting
    if wave.order.action not in _TAKES_TURNS:
        return waiting
    in_wave = [tasks[member.server_id] for member in wave.members if member.server_id in tasks]
    places = wave.max_running - sum(task.is_running for task in in_wave)
    turns = []
    for member in waiting:
        task = tasks.get(member.server_id)
        takes_a_place = wish(wave.order, task) in {"create", "act"} and not (task is not None and task.is_running)
        if takes_a_place:
            if places <= 0:
                continue
            places -= 1
        turns.append(member)
    return tuple(turns)


def wish(order: Order, task: TaskGlance | None) -> Wish:
    """What an order asks of one server. create: a task, and then its start; nothing: it is there already, or there is
    nothing to stop; refuse: it has no task."""
    if order.action is WaveAction.START:
        if task is None or task.leg is Leg.DELETED:
            return "create"
        may_start = task.leg in {Leg.WAITING, Leg.PAUSED, Leg.FAILED}
        return "act" if may_start else "nothing"
    if task is None or task.leg is Leg.DELETED:
        return "nothing" if order.action is WaveAction.STOP else "refuse"
    if order.action is WaveAction.STOP:
        return "act" if task.is_running else "nothing"
    is_there = task.leg is Leg.FINISHED or (
        order.action is WaveAction.CUTOVER and task.is_cut_over and not order.overwrite_target and not task.failure
    )
    return "nothing" if is_there else "act"


def task_action(order: Order) -> TaskAction:
    """The same in the words of a task."""
    return TaskAction(order.action.value)


def had_turn(wave: Wave, turns: Mapping[str, Member]) -> Wave:
    """Note those that had their turn in the last order. turns: by server."""
    return wave.model_copy(update={"members": tuple(turns.get(member.server_id, member) for member in wave.members)})


def turn_taken(member: Member, order: Order, **learned: Any) -> Member:
    """A member after its turn. learned: task_id, failure."""
    return member.model_copy(update={"failure": None, **learned, "order": order.number})
