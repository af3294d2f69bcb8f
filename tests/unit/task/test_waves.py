"""Whose turn it is in a wave, and what a wave shows: any order, any tasks, any restart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.errors import ErrorCode, MigrationError
from contracts.messages.task import Phase, TaskOptions
from contracts.messages.wave import ActOnWave, WaveAction, WaveChanges, WaveDetails, WaveState
from contracts.transfer import TransferProgress
from services.task.domain.phases import LEGS, Leg
from services.task.domain.wave_view import show_wave
from services.task.domain.waves import (
    MOST_SERVERS,
    Member,
    Order,
    RoundGlance,
    TaskGlance,
    Wave,
    begin_order,
    change_wave,
    gather,
    had_turn,
    next_turns,
    turn_taken,
    wish,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
BROKEN = ErrorCode(code="SMS.TEST.BROKEN", cause="c", remedy="r")


def wave(*server_ids: str, max_running: int = 2, tags: dict[str, str] | None = None) -> Wave:
    members = tuple(Member(server_id=server_id) for server_id in server_ids)
    return Wave(
        id="w", account="a", name="w", server_ids=server_ids, tags=tags or {}, max_running=max_running,
        members=members, created_at=AT,
    )  # fmt: skip


def glance(server_id: str, leg: Leg, **fields: object) -> TaskGlance:
    steps = LEGS[leg].steps
    step = steps[0] if steps else None
    return TaskGlance.model_validate(
        {"id": f"t-{server_id}", "server_id": server_id, "leg": leg, "step": step, **fields}
    )


def ask(one: Wave, action: WaveAction, *, tagged: tuple[str, ...] = (), consent: bool = True) -> Wave:
    request = ActOnWave(idempotency_key="k", wave_id="w", action=action, has_consent=consent)
    return begin_order(one, request, tagged, actor="u", at=AT)


def take(one: Wave, *server_ids: str) -> Wave:
    if one.order is None:
        return one
    turns = {
        member.server_id: turn_taken(member, one.order) for member in one.members if member.server_id in server_ids
    }
    return had_turn(one, turns)


def names(members: tuple[Member, ...]) -> list[str]:
    return [member.server_id for member in members]


def test_not_more_than_the_limit_are_started_at_once() -> None:
    started = ask(wave("a", "b", "c"), WaveAction.START)
    assert names(next_turns(started, {})) == ["a", "b"]
    running = {"a": glance("a", Leg.COPYING), "b": glance("b", Leg.PREPARING)}
    assert names(next_turns(take(started, "a", "b"), running)) == []
    paused = running | {"a": glance("a", Leg.PAUSED)}
    assert names(next_turns(take(started, "a", "b"), paused)) == ["c"], "one that fails makes room"


def test_after_a_crash_between_command_and_note_the_command_is_given_again_and_takes_no_second_place() -> None:
    started = ask(wave("a", "b", "c"), WaveAction.START)
    tasks = {"a": glance("a", Leg.COPYING)}
    assert names(next_turns(started, tasks)) == ["a", "b"]


def test_a_cutover_is_done_together_whatever_the_limit() -> None:
    launched = {server: glance(server, Leg.LAUNCHED) for server in "abcd"}
    assert names(next_turns(ask(wave(*"abcd"), WaveAction.CUTOVER), launched)) == list("abcd")


def test_a_stop_takes_no_turns_and_ends_any_order() -> None:
    started = take(ask(wave("a", "b", "c"), WaveAction.START), "a")
    stopped = ask(started, WaveAction.STOP)
    assert names(next_turns(stopped, {"a": glance("a", Leg.COPYING)})) == ["a", "b", "c"]


def test_a_wave_that_is_not_through_takes_no_other_action() -> None:
    started = take(ask(wave("a", "b", "c"), WaveAction.START), "a", "b")
    with pytest.raises(MigrationError, match=r"SMS\.WAVE\.BUSY.*1 servers"):
        ask(started, WaveAction.CUTOVER)


def test_a_start_needs_consent() -> None:
    with pytest.raises(MigrationError, match=r"SMS\.WAVE\.NO_CONSENT"):
        ask(wave("a"), WaveAction.START, consent=False)


def test_a_wave_without_servers_is_not_started() -> None:
    with pytest.raises(MigrationError, match=r"SMS\.WAVE\.EMPTY"):
        ask(wave(tags={"tier": "web"}), WaveAction.START)


def test_tags_are_looked_at_when_a_wave_is_started_and_nobody_is_in_it_twice() -> None:
    started = ask(wave("a"), WaveAction.START, tagged=("b", "a"))
    assert names(started.members) == ["a", "b"]
    again = ask(take(started, "a", "b"), WaveAction.START, tagged=("c",))
    assert names(again.members) == ["a", "c"], "a server that has lost its tag has left the wave"


def test_a_wave_has_a_largest_size() -> None:
    with pytest.raises(MigrationError, match=r"SMS\.WAVE\.TOO_LARGE.*501.*500"):
        gather(wave("a"), tuple(f"s{number}" for number in range(MOST_SERVERS)))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a b"},
        {"max_running": 0},
        {"max_running": 101},
        {"rate_limit_bit_s": -1},
        {"tags": {f"k{number}": "" for number in range(21)}},
        {"tags": {"a\n": ""}},
        {"server_ids": [str(number) for number in range(501)]},
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.WAVE\.INVALID"):
        change_wave(wave("a"), WaveChanges.model_validate(changes))


@pytest.mark.parametrize(
    "options",
    [
        TaskOptions(cpu_count=0),
        TaskOptions(cpu_count=65),
        TaskOptions(memory_bytes=-1),
        TaskOptions(memory_bytes=(512 << 30) + 1),
        TaskOptions(layout_options={"disk.vda.size": "9" * 70_000}),
    ],
)
def test_options_that_no_target_can_have_are_refused(options: TaskOptions) -> None:
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID"):
        change_wave(wave("a"), WaveChanges(options=options))


@pytest.mark.parametrize(
    ("action", "leg", "wanted"),
    [
        (WaveAction.START, None, "create"),
        (WaveAction.START, Leg.WAITING, "act"),
        (WaveAction.START, Leg.PAUSED, "act"),
        (WaveAction.START, Leg.COPYING, "nothing"),
        (WaveAction.START, Leg.LAUNCHED, "nothing"),
        (WaveAction.START, Leg.FINISHED, "nothing"),
        (WaveAction.START, Leg.DELETED, "create"),
        (WaveAction.STOP, None, "nothing"),
        (WaveAction.STOP, Leg.COPYING, "act"),
        (WaveAction.STOP, Leg.LAUNCHED, "nothing"),
        (WaveAction.CUTOVER, None, "refuse"),
        (WaveAction.CUTOVER, Leg.LAUNCHED, "act"),
        (WaveAction.CUTOVER, Leg.COPYING, "act"),  # the task itself says why not
        (WaveAction.FINISH, Leg.FINISHED, "nothing"),
        (WaveAction.SYNC, Leg.DELETED, "refuse"),
    ],
)
def test_what_an_order_asks_of_a_server(action: WaveAction, leg: Leg | None, wanted: str) -> None:
    order = Order(number=1, action=action, at=AT)
    assert wish(order, None if leg is None else glance("a", leg)) == wanted


def test_who_has_been_cut_over_is_not_cut_over_again() -> None:
    order = Order(number=1, action=WaveAction.CUTOVER, at=AT)
    done = glance("a", Leg.LAUNCHED, is_cut_over=True)
    assert wish(order, done) == "nothing"
    assert wish(order.model_copy(update={"overwrite_target": True}), done) == "act"


@pytest.mark.parametrize(
    ("legs", "state"),
    [
        ((None, None), WaveState.DRAFT),
        ((Leg.LAUNCHED, None), WaveState.DRAFT),
        ((Leg.LAUNCHED, Leg.COPYING), WaveState.RUNNING),
        ((Leg.LAUNCHED, Leg.PAUSED), WaveState.ATTENTION),
        ((Leg.LAUNCHED, Leg.LAUNCHED), WaveState.LAUNCHED),
        ((Leg.LAUNCHED, Leg.FINISHED), WaveState.LAUNCHED),
        ((Leg.FINISHED, Leg.FINISHED), WaveState.FINISHED),
    ],
)
def test_the_state_of_a_wave_is_what_its_tasks_say(legs: tuple[Leg | None, ...], state: WaveState) -> None:
    servers = [f"s{number}" for number in range(len(legs))]
    tasks = {server: glance(server, leg) for server, leg in zip(servers, legs, strict=True) if leg is not None}
    assert show_wave(wave(*servers), tasks, {}, with_rows=True).state is state


def test_a_wave_all_cut_over_says_so() -> None:
    tasks = {"a": glance("a", Leg.LAUNCHED, is_cut_over=True), "b": glance("b", Leg.FINISHED)}
    assert show_wave(wave("a", "b"), tasks, {}, with_rows=False).state is WaveState.CUT_OVER


LEG = st.one_of(st.none(), st.sampled_from(list(Leg)))
BYTES = st.integers(0, 1 << 50)


@given(st.lists(st.tuples(LEG, st.booleans(), st.booleans(), BYTES, BYTES, st.lists(BYTES, max_size=3)), max_size=12))
def test_what_a_wave_shows_adds_up(cases: list[tuple[Leg | None, bool, bool, int, int, list[int]]]) -> None:
    servers = [f"s{number}" for number in range(len(cases))]
    tasks, progress = {}, {}
    for server, (leg, is_cut_over, has_failed, done, total, rounds) in zip(servers, cases, strict=True):
        if leg is None:
            continue
        failure = BROKEN.failure() if has_failed else None
        summaries = tuple(RoundGlance(bytes_total=one) for one in rounds)
        tasks[server] = glance(server, leg, is_cut_over=is_cut_over, failure=failure, rounds=summaries)
        report = TransferProgress(task_id="t", stage="copying", bytes_done=done, bytes_total=total)
        progress[tasks[server].id] = report
    view = show_wave(wave(*servers), tasks, progress, with_rows=True)
    backwards = show_wave(wave(*reversed(servers)), tasks, progress, with_rows=True)
    assert view.servers == len(view.rows) == len(cases) == sum(view.counts.values())
    assert 0 <= view.percent <= 100
    assert 0 <= view.bytes_done <= view.bytes_total
    assert view.bytes_done == sum(row.bytes_done for row in view.rows)
    arrived = [row.phase in {Phase.LAUNCHED, Phase.FINISHED} for row in view.rows]
    assert (view.percent == 100) == (bool(cases) and all(arrived))
    assert view.counts == backwards.counts
    assert (view.state, view.percent) == (backwards.state, backwards.percent)
    if view.state is WaveState.RUNNING:
        assert any(task.is_running for task in tasks.values())
    for row, (leg, _, has_failed, *_rest) in zip(view.rows, cases, strict=True):
        assert (row.failure is not None) == (has_failed and leg is not None)


class WaveMachine(RuleBasedStateMachine):
    """A wave over tasks that start, fail and end at will, with a runner that is killed between command and note."""

    def __init__(self) -> None:
        super().__init__()
        self.wave = wave(*"abcdef", max_running=2)
        self.tasks: dict[str, TaskGlance] = {}
        self.given: list[tuple[int, str]] = []

    @rule(action=st.sampled_from(list(WaveAction)))
    def user_asks(self, action):
        try:
            self.wave = ask(self.wave, action)
        except MigrationError as refused:
            assert refused.code == "SMS.WAVE.BUSY"  # noqa: PT017 - a refusal is one of two good outcomes
            assert self.wave.waiting

    @rule(dies_after=st.integers(0, 6))
    def runner_passes(self, dies_after):
        turns = next_turns(self.wave, self.tasks)
        order = self.wave.order
        for member in turns[:dies_after]:
            wanted = wish(order, self.tasks.get(member.server_id))
            if wanted in {"create", "act"} and order.action is WaveAction.START:
                self.given.append((order.number, member.server_id))
                self.tasks[member.server_id] = glance(member.server_id, Leg.COPYING)
            elif wanted == "act" and order.action is WaveAction.STOP:
                self.tasks[member.server_id] = glance(member.server_id, Leg.PAUSED)
        if dies_after >= len(turns):
            self.wave = take(self.wave, *names(turns))

    @rule(server=st.sampled_from("abcdef"), leg=st.sampled_from([Leg.PAUSED, Leg.FAILED, Leg.LAUNCHED, Leg.FINISHED]))
    def task_comes_to_rest(self, server, leg):
        if server in self.tasks:
            self.tasks[server] = glance(server, leg)

    @invariant()
    def never_more_run_than_allowed(self):
        assert sum(task.is_running for task in self.tasks.values()) <= self.wave.max_running

    @invariant()
    def nobody_has_had_a_turn_that_is_to_come(self):
        number = self.wave.order.number if self.wave.order else 0
        assert all(member.order <= number for member in self.wave.members)

    def teardown(self):
        """When nothing runs any more, every order comes to its end in a bounded number of passes."""
        for _ in range(10):
            self.tasks = {server: glance(server, Leg.LAUNCHED) for server in self.tasks}
            self.wave = take(self.wave, *names(next_turns(self.wave, self.tasks)))
        assert not self.wave.waiting


TestWaveMachine = WaveMachine.TestCase
TestWaveMachine.settings = hypothesis_settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_the_largest_wave_fits_one_message_of_the_bus() -> None:
    long = ErrorCode(code="SMS.TEST.LONG", cause="c" * 2000, remedy="{what}" + "r" * 2000).failure(what="w" * 2000)
    servers = [f"{number:032x}" for number in range(MOST_SERVERS)]
    tasks = {one: glance(one, Leg.PAUSED, id="f" * 32, server_name="n" * 64, failure=long) for one in servers}
    view = show_wave(wave(*servers), tasks, {}, with_rows=True)
    assert len(view.rows) == MOST_SERVERS
    assert len(WaveDetails(wave=view).model_dump_json()) < 900_000
