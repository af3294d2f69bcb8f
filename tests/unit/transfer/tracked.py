"""A pair whose source is told of changes by the kernel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from transfer_kit import Pair, differences, snapshot

from agents.source.tracking.tracker import ChangeTracker
from contracts.transfer import CopySummary, FollowedRound


class Tracked(Pair):
    """A pair whose source is told of changes."""

    def __init__(self, folder: Path, source: Path, target: Path, **options) -> None:
        self.tracker = ChangeTracker()
        self.roots = (source, target)
        self.rounds: list[FollowedRound] = []
        super().__init__(folder, {0: (source, target, "/")}, tracker=self.tracker, **options)

    def close(self) -> None:
        super().close()
        self.tracker.close()

    def sync_and_compare(self, number: int) -> CopySummary:
        summary = self.source.sync(number, by_changes=True)
        assert differences(*map(snapshot, self.roots)) == []
        return summary

    def follow(self) -> Callable[[], CopySummary]:
        """Follow in a thread; returns what ends that and gives the summary."""
        ended: list[CopySummary | BaseException] = []

        def work() -> None:
            try:
                ended.append(self.source.follow(1, self.rounds.append))
            except BaseException as error:  # noqa: BLE001 - the test raises it
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()

        def finish() -> CopySummary:
            self.source.finish_following()
            thread.join(60)
            if isinstance(ended[0], BaseException):
                raise ended[0]
            return ended[0]

        return finish
