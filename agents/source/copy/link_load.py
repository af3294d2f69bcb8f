"""How busy link and processors are: whether sending waits for the network, or for one of the ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from agents.source.load import processor_ticks
from agents.transfer.connection import Connection

_INTERVAL_S: Final = 0.5
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Answer(NamedTuple):
    """Of the last seconds. link_share: in which share the busiest connection waited for the network. busy_processors:
    of this machine, by whomever; own_processors: by this process."""

    link_share: float
    busy_processors: float
    own_processors: float
    seconds: float


class LinkLoad:
    """Shared by the threads that send."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._limited_s = 0.0
        self._before: dict[int, float] = {}
        self._busy_ticks, self._own_s = _busy_ticks(), time.process_time()

    def limited(self, seconds: float) -> None:
        """Somebody waited for the rate limit, which is as good as the link."""
        with self._lock:
            self._limited_s += seconds

    def answer(self, connections: Sequence[Connection]) -> Answer | None:
        """Of the time since the last answer.

        None when that is not long enough ago, or connections are new. Raises OSError when a connection is gone.
        """
        with self._lock:
            seconds = time.monotonic() - self._began
            if seconds < _INTERVAL_S:
                return None
            now = {id(connection): connection.network_bound_s() for connection in connections}
            grown_s = [value - self._before[key] for key, value in now.items() if key in self._before]
            waited_s = max(*grown_s, self._limited_s) if len(grown_s) == len(now) > 0 else None
            self._began, self._limited_s, self._before = self._began + seconds, 0.0, now
            ticks, self._busy_ticks = self._busy_ticks, _busy_ticks()
            own_s, self._own_s = self._own_s, time.process_time()
            busy, own = (self._busy_ticks - ticks) / _TICKS_PER_S / seconds, (self._own_s - own_s) / seconds
        return None if waited_s is None else Answer(min(waited_s / seconds, 1.0), busy, own, seconds)


def _busy_ticks() -> int:
    """Since the machine was started; 0 where it does not tell."""
    try:
        ticks, idle_ticks = processor_ticks()
    except (OSError, ValueError, LookupError):
        return 0
    return ticks - idle_ticks
