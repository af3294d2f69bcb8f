"""How busy the link is: whether sending waits for the network, or for one of the ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from agents.transfer.connection import Connection

_INTERVAL_S: Final = 0.25


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

        None when that is not long enough ago. Raises OSError when a connection is gone.
        """
        with self._lock:
            seconds = time.monotonic() - self._began
            if seconds < _INTERVAL_S:
                return None
            now = {id(connection): connection.network_bound_s() for connection in connections}
            bound_s = max((value - self._before.get(key, value) for key, value in now.items()), default=0.0)
            share = max(bound_s, self._limited_s) / seconds
            self._began, self._limited_s, self._before = self._began + seconds, 0.0, now
        return min(share, 1.0)
