"""The limit of the sending rate: a token bucket over bytes on the wire, whose rate follows the time of the day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from contracts.speed_limit import SpeedLimit, SpeedLimits, limit_at

_BURST_S = 0.25
_PIECE_S = 0.05
OVERDRAWN_S = _BURST_S + _PIECE_S
"""By how many seconds' worth more than the limit says may be sent in any time."""
# A record of TLS 1.3 holds at most 16 KiB, and takes a header of 5 bytes, the content's type and a tag of 16.
_RECORD_BYTES = 16 << 10
_RECORD_OVERHEAD_BYTES = 22
# Ethernet 14, IPv4 20, TCP 20 and its time stamps 12. IPv6 takes 20 more, 1.4 % of a full packet.
_PACKET_HEADERS_BYTES = 66
_ETHERNET_SEGMENT_BYTES = 1448
_LONGEST_SLEEP_S = 0.5

MinuteOfDay = Callable[[], int]


def local_minute() -> int:
    """The minute of the day by this machine's clock and time zone."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


def estimated_wire_bytes(length: int, segment_bytes: int = _ETHERNET_SEGMENT_BYTES) -> int:
    """What a write of so many bytes takes on the wire, with the headers of TLS, TCP, IP and Ethernet.

    segment_bytes: what a packet of the connection carries.
    """
    records = -(-length // _RECORD_BYTES)
    encrypted = length + records * _RECORD_OVERHEAD_BYTES
    return encrypted + -(-encrypted // segment_bytes) * _PACKET_HEADERS_BYTES


class TokenBucket:
    """Shared by all connections. A new limit, set or come by the clock, acts on those that already wait, within half
    a second."""

    def __init__(self, limits: SpeedLimits | None = None, *, minute_of_day: MinuteOfDay = local_minute) -> None:
        self._lock = threading.Lock()
        self._minute_of_day = minute_of_day
        self._limits = limits or SpeedLimits()
        self._limit = limit_at(self._limits, minute_of_day())
        self._tokens = 0.0
        self._refilled_at = time.monotonic()
        self._segment_bytes = _ETHERNET_SEGMENT_BYTES

    @property
    def limit(self) -> SpeedLimit:
        """What holds now."""
        with self._lock:
            self._follow_the_clock()
            return self._limit

    def set_limits(self, limits: SpeedLimits) -> None:
        """Change the limits."""
        with self._lock:
            self._limits = limits
            self._begin(limit_at(limits, self._minute_of_day()))

    def use_segment(self, segment_bytes: int) -> None:
        """What a packet of the connections carries, of which their headers' share follows."""
        if segment_bytes > 0:
            self._segment_bytes = segment_bytes

    def take(self, length: int, check: Callable[[], None]) -> int:
        """Wait until some of so many bytes may be written; returns how many: all where there is no limit, else what
        takes a twentieth of a second, so that a slow limit does not become bursts at the speed of the link.

        check is called now and then, and ends the wait by raising.
        """
        while True:
            allowed, delay_s = self._try(length)
            if allowed:
                return allowed
            check()
            time.sleep(min(delay_s, _LONGEST_SLEEP_S))

    def _try(self, length: int) -> tuple[int, float]:
        """How many bytes may be written, or after how many seconds to ask again."""
        with self._lock:
            self._follow_the_clock()
            if self._limit.rate_bit_s is None:
                return length, 0.0
            rate_bytes_s = self._limit.rate_bit_s / 8
            now = time.monotonic()
            grown = self._tokens + (now - self._refilled_at) * rate_bytes_s
            self._tokens = min(grown, rate_bytes_s * _BURST_S)
            self._refilled_at = now
            # What goes when the bucket is not in debt may leave a debt behind.
            if self._tokens < 0:
                return 0, -self._tokens / rate_bytes_s
            records = max(1, int(rate_bytes_s * _PIECE_S) // _RECORD_BYTES)
            allowed = min(length, records * _RECORD_BYTES)
            self._tokens -= estimated_wire_bytes(allowed, self._segment_bytes)
            return allowed, 0.0

    def _follow_the_clock(self) -> None:
        # Without periods the clock need not be asked for every frame.
        if self._limits.periods:
            limit = limit_at(self._limits, self._minute_of_day())
            if limit != self._limit:
                self._begin(limit)

    def _begin(self, limit: SpeedLimit) -> None:
        self._limit = limit
        self._tokens = 0.0
        self._refilled_at = time.monotonic()
