"""Rounds that follow each other by themselves, so that the target is never far behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from agents.source.copy.rounds import Rounds
from agents.source.tracking.tracker import ChangeTracker

_SHORTEST_ROUND_S: Final = 0.2
"""Changes of the same entries within this time are sent once."""
_QUIET_S: Final = 1.0
_SHORTEST_PAUSE_S: Final = 5.0
_MOST_LAST_ROUNDS: Final = 5


class Following:
    """Leads rounds until it is told to finish. on_round: called after each one.

    Volumes whose changes cannot be followed are walked, and rest for as long as the walk took: at most half of the
    time goes into reading what has not changed.
    """

    def __init__(self, rounds: Rounds, tracker: ChangeTracker, on_round: Callable[[], object]) -> None:
        self._rounds = rounds
        self._tracker = tracker
        self._on_round = on_round
        self._walk_at = 0.0

    def run(self, is_finishing: threading.Event) -> None:
        """Until told to finish; then on until all that had happened by then is on the target, or too much goes on."""
        while not is_finishing.is_set():
            began = time.monotonic()
            self._one(walks_untracked=began >= self._walk_at)
            is_finishing.wait(max(0.0, began + _SHORTEST_ROUND_S - time.monotonic()))
            self._tracker.wait(_QUIET_S)
        self._one(walks_untracked=True)
        for _ in range(_MOST_LAST_ROUNDS):
            if not self._rounds.are_open():
                break
            self._one(walks_untracked=False)

    def _one(self, *, walks_untracked: bool) -> None:
        began = time.monotonic()
        self._rounds.look_at_changes(walks_untracked=walks_untracked)
        if walks_untracked:
            ended = time.monotonic()
            self._walk_at = ended + max(_SHORTEST_PAUSE_S, ended - began)
        self._on_round()
