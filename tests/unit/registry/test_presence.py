"""Heartbeats, restarts and clashes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.presence import OVERLAP_S, Presence, hear, is_silent


def heard_in_turn(*beats: tuple[str, float], start: Presence | None = None) -> list[bool]:
    presence, clashes = start, []
    for session_id, now_s in beats:
        heard = hear(presence, session_id, now_s=now_s)
        presence = heard.presence
        clashes.append(heard.is_clash)
    return clashes


def test_two_agents_that_beat_in_turn_clash() -> None:
    assert heard_in_turn(("a", 0), ("b", 7), ("a", 15), ("b", 22))[2]


def test_a_restarted_agent_does_not_clash_with_its_former_session() -> None:
    assert not any(heard_in_turn(("a", 0), ("a", 15), ("b", 20), ("b", 35), ("c", 36), ("c", 51)))


def test_a_last_heartbeat_just_behind_the_new_session_is_no_clash() -> None:
    assert not any(heard_in_turn(("a", 0), ("b", 10), ("a", 10 + OVERLAP_S / 2), ("b", 25)))


def test_any_session_may_follow_after_a_restart_of_the_registry() -> None:
    open_session = Presence(session_id="", seen_at_s=0, is_known=True)
    assert not any(heard_in_turn(("b", 5), ("b", 20), start=open_session))
    assert hear(open_session, "b", now_s=5).presence == Presence(session_id="b", seen_at_s=5, is_known=True)


def test_silence_begins_after_45_seconds() -> None:
    presence = Presence(session_id="a", seen_at_s=100)
    assert not is_silent(presence, now_s=145, silence_s=45)
    assert is_silent(presence, now_s=145.1, silence_s=45)


@given(sessions=st.lists(st.integers(0, 5), max_size=30))
def test_sessions_that_follow_one_another_never_clash(sessions: list[int]) -> None:
    beats = [(str(number), index * 15.0) for index, number in enumerate(sorted(sessions))]
    assert not any(heard_in_turn(*beats))


@given(gap_s=st.floats(OVERLAP_S + 0.1, 45), rounds=st.integers(2, 5))
def test_two_live_agents_are_always_found(gap_s: float, rounds: int) -> None:
    beats = [("ab"[index % 2], index * gap_s) for index in range(2 * rounds)]
    assert any(heard_in_turn(*beats))
