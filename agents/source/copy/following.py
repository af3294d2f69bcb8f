"""Rounds that follow each other by themselves, so that the target is never far behind."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from agents.source.copy.rounds import Rounds
from agents.source.copy.tally import Tally
from agents.source.tracking.tracker import ChangeTracker
from contracts.transfer import FollowedRound

_SHORTEST_ROUND_S: Final = 0.2
"""Changes of the same entries within this time are sent once."""
_QUIET_S: Final = 1.0
_SHORTEST_PAUSE_S: Final = 5.0
_MOST_LAST_ROUNDS: Final = 5


class Following:
    """Leads rounds until it is told to finish. on_round: called after each one that has looked at all volumes; after_s
    is 0 for the first.

    Volumes whose changes cannot be followed are walked, and rest for as long as the shortest walk took, in which the
    least was sent: at most half of the time goes into reading what has not changed, and none is lost where much has.
    """

    def __init__(
        self, rounds: Rounds, tally: Tally, tracker: ChangeTracker, on_round: Callable[[FollowedRound], None]
    ) -> None:
        self._rounds = rounds
        self._tally = tally
        self._tracker = tracker
        self._on_round = on_round
        self._walk_at = 0.0
        self._shortest_walk_s = math.inf
        self._began: float | None = None
        self._told_bytes = tally.bytes_content

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
        seconds = time.monotonic() - began
        if self._rounds.has_untracked:
            # What of other volumes was sent between two walks counts with the second.
            if not walks_untracked:
                return
            self._shortest_walk_s = min(self._shortest_walk_s, seconds)
            self._walk_at = began + seconds + max(_SHORTEST_PAUSE_S, self._shortest_walk_s)
            # The rest of it went into looking, however much had changed.
            seconds -= self._shortest_walk_s
        after_s = 0.0 if self._began is None else began - self._began
        sent, self._told_bytes = self._tally.bytes_content - self._told_bytes, self._tally.bytes_content
        self._began = began
        self._on_round(FollowedRound(after_s=after_s, seconds=seconds, bytes_content=sent))
