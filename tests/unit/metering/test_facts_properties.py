"""The same events cost the same, in whatever order and however often they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.task import Phase, TaskChanged, TaskCreated
from services.metering.adapters.price_file import load_prices
from services.metering.domain import facts as merge
from services.metering.domain.cost import cost_of
from services.metering.domain.facts import ServerFacts, TaskFacts, newer_server

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(days=40)
PRICES = load_prices(None).model_copy(update={"traffic_mode": "pay_per_use"})
Fact = Callable[[TaskFacts], TaskFacts]

TIMES = st.integers(0, 30 * 24 * 3600).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
SIZES = st.integers(1, 10**12)


def created(at: datetime, used_bytes: int) -> Fact:
    event = TaskCreated(task_id="t", server_id="s", source_used_bytes=used_bytes, project_id="p")
    return lambda facts: merge.with_creation(facts, event, at)


def moved(version: int, before: Phase, after: Phase, at: datetime) -> Fact:
    event = TaskChanged(task_id="t", server_id="s", version=version, event="e", from_phase=before, to_phase=after)
    return lambda facts: merge.with_transition(facts, event, at)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Creation, transitions with versions that are unique, volumes, releases and points."""
    events = [created(draw(TIMES), draw(SIZES))]
    phases = draw(st.lists(st.sampled_from(list(Phase)), max_size=12))
    for version, (before, after) in enumerate(itertools.pairwise(phases), start=1):
        events.append(moved(version, before, after, draw(TIMES)))
    for _ in range(draw(st.integers(0, 4))):
        volume_id, at, size = draw(st.sampled_from("abc")), draw(TIMES), draw(SIZES)
        events.append(lambda facts, v=volume_id, a=at, s=size: merge.with_attachment(facts, v, a, s))
    events += [lambda facts, a=at: merge.with_release(facts, a) for at in draw(st.lists(TIMES, max_size=4))]
    points = draw(st.lists(st.sampled_from("xyz"), max_size=4))
    events += [lambda facts, p=point: merge.with_point(facts, p) for point in points]
    return events


@given(st.data())
def test_any_order_and_repetition_of_the_same_events_gives_the_same_cost(data: st.DataObject) -> None:
    events = data.draw(histories())
    again = events + data.draw(st.lists(st.sampled_from(events), max_size=10))
    shuffled = data.draw(st.permutations(again))
    straight, crooked = TaskFacts(task_id="t"), TaskFacts(task_id="t")
    for event in events:
        straight = event(straight)
    for event in shuffled:
        crooked = event(crooked)
    assert crooked == straight
    assert cost_of(crooked, PRICES, now=NOW) == cost_of(straight, PRICES, now=NOW)


@given(histories(), TIMES, TIMES)
def test_cost_never_falls_as_time_goes_by(events: list[Fact], one: datetime, other: datetime) -> None:
    facts = TaskFacts(task_id="t")
    for event in events:
        facts = event(facts)
    earlier, later = sorted((one, other))
    assert 0 <= cost_of(facts, PRICES, now=earlier).amount <= cost_of(facts, PRICES, now=later).amount


@given(st.lists(st.builds(ServerFacts, used_bytes=SIZES, reported_at=TIMES), min_size=1), st.randoms())
def test_the_newest_report_of_a_server_counts_in_whatever_order_it_comes(reports: list[ServerFacts], shuffle) -> None:
    straight: ServerFacts | None = None
    for report in reports:
        straight = newer_server(straight, report)
    shuffle.shuffle(reports)
    crooked: ServerFacts | None = None
    for report in reports:
        crooked = newer_server(crooked, report)
    assert crooked == straight
