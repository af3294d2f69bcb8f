"""The rate on the wire over the last seconds, for the guard that stops a task above its limit."""

from __future__ import annotations

from collections import deque
from typing import Final

from agents.source.copy.rate_limit import OVERDRAWN_S
from contracts.speed_limit import SpeedLimit

_SHORTEST_S: Final = 5.0
_LONGEST_S: Final = 10.0


class WireMeter:
    """Measures under one limit at a time: what was sent under another one says nothing about this one.

    What may overdraw the limit for a moment is taken off, so that the rate which is reported was reached for certain.
    """

    def __init__(self) -> None:
        self._limit = SpeedLimit()
        self._samples: deque[tuple[float, int]] = deque()

    def rate_bit_s(self, bytes_sent: int, limit: SpeedLimit, *, now_s: float) -> float | None:
        """Take a reading of a counter that only grows within one channel; None while there is too little time."""
        samples = self._samples
        if limit != self._limit or (samples and bytes_sent < samples[-1][1]):
            samples.clear()
            self._limit = limit
        samples.append((now_s, bytes_sent))
        while len(samples) > 2 and now_s - samples[1][0] >= _LONGEST_S:
            samples.popleft()
        seconds = now_s - samples[0][0]
        if seconds < _SHORTEST_S:
            return None
        overdrawn_bit = (limit.rate_bit_s or 0) * OVERDRAWN_S
        return max(0.0, (bytes_sent - samples[0][1]) * 8 - overdrawn_bit) / seconds
