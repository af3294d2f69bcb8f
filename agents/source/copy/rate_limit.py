"""The limit of the sending rate: a token bucket over bytes on the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST_S = 0.25
_LONGEST_SLEEP_S = 0.5


class TokenBucket:
    """Shared by all connections. A new limit acts on those that already wait, within half a second."""

    def __init__(self, rate_bit_s: int | None = None) -> None:
        self._lock = threading.Lock()
        self._rate_bytes_s: float | None = None
        self._tokens = 0.0
        self._refilled_at = time.monotonic()
        self.set_rate(rate_bit_s)

    def set_rate(self, rate_bit_s: int | None) -> None:
        """Change the limit; None for none."""
        with self._lock:
            self._rate_bytes_s = rate_bit_s / 8 if rate_bit_s else None
            self._tokens = 0.0
            self._refilled_at = time.monotonic()

    def take(self, size_bytes: int, check: Callable[[], None]) -> None:
        """Wait until so many bytes may be sent. check is called now and then, and ends the wait by raising."""
        while (delay_s := self._try(size_bytes)) > 0:
            check()
            time.sleep(min(delay_s, _LONGEST_SLEEP_S))

    def _try(self, size_bytes: int) -> float:
        with self._lock:
            if self._rate_bytes_s is None:
                return 0.0
            now = time.monotonic()
            grown = self._tokens + (now - self._refilled_at) * self._rate_bytes_s
            self._tokens = min(grown, self._rate_bytes_s * _BURST_S)
            self._refilled_at = now
            # A frame larger than the bucket goes when the bucket is not in debt, and leaves a debt behind.
            if self._tokens < 0:
                return -self._tokens / self._rate_bytes_s
            self._tokens -= size_bytes
            return 0.0
