"""Rounds of a sync that goes on where nothing tells of changes: walks, with rests between, by a clock of their own."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from agents.source.copy import following
from agents.source.copy.following import Following
from agents.source.copy.rounds import Rounds
from agents.source.copy.tally import Tally
from agents.source.tracking.tracker import ChangeTracker
from contracts.transfer import FollowedRound
from services.task.domain.forecast import followed_convergence
from services.task.domain.task import Task

LOOKING_S = 10.0
LINK_BYTES_S = 1_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Server:
    """A walk takes LOOKING_S, and what has been written since the one before began is sent at LINK_BYTES_S; it ends
    when there have been so many. Everything that waits takes the time that it may."""

    has_untracked = True

    def __init__(self, write_bytes_s: float, *, walks: int) -> None:
        self.now = 1000.0
        self.walks: list[float] = []
        self.bytes_content = 0
        self._write_bytes_s = write_bytes_s
        self._most = walks
        self._seen_at = self.now

    def look_at_changes(self, *, walks_untracked: bool) -> None:
        if not walks_untracked:
            return
        began, changed = self.now, int((self.now - self._seen_at) * self._write_bytes_s)
        self._seen_at = began
        self.walks.append(began)
        self.bytes_content += changed
        self.now += LOOKING_S + changed / LINK_BYTES_S

    def are_open(self) -> bool:
        return False

    def is_set(self) -> bool:
        return len(self.walks) >= self._most

    def wait(self, seconds: float) -> None:
        self.now += seconds


def follow(
    monkeypatch: pytest.MonkeyPatch, *, write_share: float, walks: int = 30
) -> tuple[Server, list[FollowedRound]]:
    """Follow a server that writes at this share of the link's rate; the rounds that were told."""
    server = Server(write_share * LINK_BYTES_S, walks=walks)
    monkeypatch.setattr(following, "time", SimpleNamespace(monotonic=lambda: server.now))
    told: list[FollowedRound] = []
    Following(cast(Rounds, server), cast(Tally, server), cast(ChangeTracker, server), told.append).run(server)  # type: ignore[arg-type]
    return server, told


def test_a_quiet_server_is_walked_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    server, told = follow(monkeypatch, write_share=0)
    periods = [after - before for before, after in itertools.pairwise(server.walks)]
    # The last walk does not wait.
    assert all(2 * LOOKING_S <= period <= 2 * LOOKING_S + 2 for period in periods[:-1])
    assert len(told) == len(server.walks), "what happens between walks is no round"
    assert [each.after_s for each in told] == pytest.approx([0, *periods])
    assert {each.seconds for each in told} == {0}, "looking is not sending"


@pytest.mark.parametrize("write_share", [0.2, 0.7, 0.85])
def test_walks_come_to_rest_while_less_is_written_than_the_link_carries(
    monkeypatch: pytest.MonkeyPatch, write_share: float
) -> None:
    _, told = follow(monkeypatch, write_share=write_share, walks=60)
    assert told[-2].seconds == pytest.approx(told[-3].seconds, rel=0.02)
    assert [each.seconds / each.after_s for each in told[1:]] == pytest.approx([write_share] * (len(told) - 1))


def test_walks_that_have_more_to_send_than_the_link_carries_grow_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _, told = follow(monkeypatch, write_share=1.2, walks=12)
    assert all(after.seconds > before.seconds for before, after in itertools.pairwise(told[:-1]))
    for before, newest in itertools.pairwise(told[1:]):
        found = followed_convergence(cast(Task, SimpleNamespace(convergence=None)), before, newest, NOW)
        assert found is not None
        assert not found.converges
