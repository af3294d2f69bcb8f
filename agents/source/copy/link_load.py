"""How busy link and processors are: whether sending waits for the network, or for one of the ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from agents.transfer.connection import Connection

_INTERVAL_S: Final = 0.5
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
# Columns of /proc/stat's first line that are no work: idle and waiting for a disk.
_IDLE_COLUMNS: Final = (3, 4)
# Those behind are counted in the ones before already.
_COLUMNS: Final = slice(1, 9)


class Answer(NamedTuple):
    """Of the last seconds. link_share: in which share the busiest connection waited for the network. busy_processors:
    of this machine, by whomever."""

    link_share: float
    busy_processors: float
    seconds: float


class LinkLoad:
    """Shared by the threads that send."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._limited_s = 0.0
        self._before: dict[int, float] = {}
        self._busy_ticks = _busy_ticks()

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
            busy = (self._busy_ticks - ticks) / _TICKS_PER_S / seconds
        return None if waited_s is None else Answer(min(waited_s / seconds, 1.0), busy, seconds)


def _busy_ticks() -> int:
    """Since the machine was started; 0 where it does not tell."""
    try:
        columns = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split(None, 9)[_COLUMNS]]
    except (OSError, ValueError):
        return 0
    return sum(columns) - sum(columns[at] for at in _IDLE_COLUMNS)
