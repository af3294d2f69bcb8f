"""How busy the link is: whether sending waits for the network, or for one of the ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from agents.transfer.connection import Connection

_INTERVAL_S: Final = 0.5


class LinkLoad:
    """Shared by the threads that send."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._limited_s = 0.0
        self._before: dict[int, float] = {}

    def limited(self, seconds: float) -> None:
        """Somebody waited for the rate limit, which is as good as the link."""
        with self._lock:
            self._limited_s += seconds

    def share(self, connections: Sequence[Connection]) -> float | None:
        """Of the time since the last answer, the share in which the busiest connection waited for the network.

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
        return None if waited_s is None else min(waited_s / seconds, 1.0)
