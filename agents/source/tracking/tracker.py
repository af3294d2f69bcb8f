"""Follows the changes of a task's volumes in one thread, for as long as the agent runs and knows the task."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterable
from typing import Final

from agents.source.tracking.volume_tracker import VolumeTracker
from contracts.layout import CopyVolume

_POLL_MS: Final = 500
_MERGE_S: Final = 0.02
"""The kernel merges equal events that wait: reading a little later means reading much less."""


class ChangeTracker:
    """reasons: why a volume is not followed, by its index; such a one is walked in each round."""

    def __init__(self) -> None:
        self._volumes: dict[int, VolumeTracker] = {}
        self.reasons: dict[int, str] = {}
        self._walked_at: dict[int, float] = {}
        self._condition = threading.Condition()
        self._has_changes = False
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def follow(self, volumes: Iterable[CopyVolume]) -> None:
        """Begin with those volumes that are not followed yet."""
        for volume in volumes:
            if volume.index in self._volumes or volume.index in self.reasons:
                continue
            try:
                self._volumes[volume.index] = VolumeTracker(volume.source_path)
            except OSError as error:
                self.reasons[volume.index] = error.strerror or str(error)
        if self._volumes and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="changes", daemon=True)
            self._thread.start()

    def of(self, volume: int) -> VolumeTracker | None:
        """The volume's own; None when it is not followed."""
        return self._volumes.get(volume)

    def give_up(self) -> None:
        """Something was lost: the next round must walk everything."""
        for tracker in self._volumes.values():
            tracker.give_up()

    def wait(self, timeout_s: float) -> None:
        """Until something has changed, somebody calls wake, or the time is over."""
        with self._condition:
            self._condition.wait_for(lambda: self._has_changes or self._is_closing, timeout_s)
            self._has_changes = False

    def wake(self) -> None:
        """End the waiting."""
        with self._condition:
            self._has_changes = True
            self._condition.notify_all()

    def walked(self, volume: int, *, began_at: float) -> None:
        """A walk of a volume that is not followed has ended; began_at: by the monotonic clock."""
        self._walked_at[volume] = began_at

    def walked_because(self, volume: int) -> str:
        """Why every entry of a volume is looked at now, and not only what has changed; "" when that is enough."""
        tracker = self._volumes.get(volume)
        if tracker is None:
            return self.reasons.get(volume, "")
        return "what has changed is not known" if tracker.needs_walk else ""

    def lag_s(self) -> float | None:
        """Age of the oldest change that is not on the target, over all volumes, and at least since when nobody has
        looked where changes are not told; None where it is not known."""
        now = time.monotonic()
        lags = [tracker.lag_s(now) for tracker in self._volumes.values()]
        lags += [now - self._walked_at[volume] if volume in self._walked_at else None for volume in self.reasons]
        known = [lag for lag in lags if lag is not None]
        return max(known) if known and len(known) == len(lags) else None

    def close(self) -> None:
        """End; every volume must be walked when it is followed again."""
        self._is_closing = True
        self.wake()
        if self._thread:
            self._thread.join()
        for tracker in self._volumes.values():
            tracker.close()
        self._volumes.clear()

    def _run(self) -> None:
        poll = select.poll()
        seen: dict[int, VolumeTracker] = {}
        while not self._is_closing:
            for tracker in list(self._volumes.values()):
                if tracker.notifier.descriptor not in seen:
                    seen[tracker.notifier.descriptor] = tracker
                    poll.register(tracker.notifier.descriptor, select.POLLIN)
            ready = [seen[descriptor] for descriptor, _ in poll.poll(_POLL_MS)]
            # All of them, not only up to the first.
            if sum(tracker.collect() for tracker in ready):
                self.wake()
            if ready:
                time.sleep(_MERGE_S)
