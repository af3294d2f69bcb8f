"""Compression per frame: only where it shrinks the data, at a level that follows what is scarce."""

from __future__ import annotations

import os
import queue
from collections import deque
from typing import Final

import zstandard

from agents.transfer.frames import FLAG_COMPRESSED, MAX_PAYLOAD_BYTES, Frame, Payload, protocol_error

MAX_WINDOW_BYTES = 8 << 20
SAMPLE_BYTES = 64 << 10
MIN_GAIN = 0.05
MIN_COMPRESSED_BYTES = 128
LEVELS: Final = (None, -3, 1, 2, 3, 4)
"""From the cheapest on; None leaves the payload as it is. Beyond 4, zstd takes twice the time for one per cent."""
# What zstd leaves of a system tree in batches of 2 MiB, and processor seconds for a GB of it.
_LEFT: Final = (1.0, 0.58, 0.46, 0.39, 0.363, 0.356)
_SECONDS_PER_GB: Final = (0.0, 4.7, 5.9, 7.4, 9.5, 10.6)
# Of the processors, what a step may leave busy: measured loads waver.
_BUSY_AT_MOST: Final = 0.95
_SAMPLE_LEVEL: Final = -3
_BUSY_SHARE: Final = 0.85
_IDLE_SHARE: Final = 0.7
# What is on its way when the level changes was compressed as before: of three answers the first says nothing, and the
# other two must agree.
_ANSWERS: Final = 3
# For how many answers a step that was taken back is not tried again: at first, and at most.
_FIRST_WAIT, _LONGEST_WAIT = 16, 64
# Each holds up to 5 MB at the highest level; more at a time than there are processors gain nothing.
_MAX_CONTEXTS: Final = 4


class AdaptiveCompressor:
    """Compresses the payloads of all threads of a sender, as many at a time as there are processors.

    The level rises while the link is what sending waits for and the processors have room for it. It falls while the
    link is not: then it is the processor of one of the ends, which compressing only burdens. A step that has to be
    taken back is tried again later, each time twice as late.
    """

    def __init__(self) -> None:
        self._processors = len(os.sched_getaffinity(0))
        self._step = LEVELS.index(1)
        self._shares: deque[float] = deque(maxlen=_ANSWERS)
        self._last = 0
        self._barred = 0
        self._wait = _FIRST_WAIT
        self._waiting = 0
        self._has_shrunk = False
        # Of all threads, without a lock: a payload that is not counted changes no decision.
        self._bytes = 0
        self._contexts: queue.LifoQueue[dict[int, zstandard.ZstdCompressor]] = queue.LifoQueue()
        for _ in range(min(_MAX_CONTEXTS, self._processors)):
            self._contexts.put({})

    @property
    def level(self) -> int | None:
        """The level of the next payload; None for no compression at all."""
        return LEVELS[self._step]

    def compress(self, payload: bytes) -> tuple[int, bytes]:
        """The flags and the payload to send; the payload itself when compression does not pay."""
        level = self.level
        self._bytes += len(payload)
        if level is None or len(payload) < MIN_COMPRESSED_BYTES:
            return 0, payload
        contexts = self._contexts.get()
        try:
            # Mostly a payload is like the one before.
            if not self._has_shrunk and not _shrinks(payload, contexts):
                return 0, payload
            packed = _context(contexts, level).compress(payload)
        finally:
            self._contexts.put(contexts)
        self._has_shrunk = len(packed) <= len(payload) * (1 - MIN_GAIN)
        return (FLAG_COMPRESSED, packed) if self._has_shrunk else (0, payload)

    def adapt(self, link_share: float, *, busy_processors: float, own_processors: float, seconds: float) -> None:
        """Learn of the last seconds: in which share of them the link was what sending waited for, how many of this
        machine's processors were busy, and how many of these with this process."""
        bytes_per_s, self._bytes = self._bytes / seconds, 0
        self._shares.append(link_share)
        self._waiting = max(self._waiting - 1, 0)
        if len(self._shares) < _ANSWERS:
            return
        _, *shares = self._shares
        wanted = (min(shares) > _BUSY_SHARE) - (max(shares) < _IDLE_SHARE)
        if not 0 <= self._step + wanted < len(LEVELS) or (self._waiting and wanted == self._barred):
            return
        if wanted > 0:
            more = self._more_after_a_step(own_processors, bytes_per_s)
            if busy_processors + more > self._processors * _BUSY_AT_MOST:
                return
        if wanted and wanted == -self._last:
            self._barred, self._waiting = self._last, self._wait
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        if wanted:
            self._step += wanted
            self._last = wanted
            self._shares.clear()

    def _more_after_a_step(self, own: float, bytes_per_s: float) -> float:
        """How many processors more this process will keep busy at the next level: the link then carries more contents,
        all of which costs as before, and what they are compressed with costs more."""
        step, more = self._step, _LEFT[self._step] / _LEFT[self._step + 1]
        dearer = (_SECONDS_PER_GB[step + 1] - _SECONDS_PER_GB[step]) * bytes_per_s / 1e9
        return own * (more - 1) + dearer * more


def _shrinks(payload: bytes, contexts: dict[int, zstandard.ZstdCompressor]) -> bool:
    """Try the middle of a large payload at the cheapest level; headers at its start say little."""
    if len(payload) <= 2 * SAMPLE_BYTES:
        return True
    start = (len(payload) - SAMPLE_BYTES) // 2
    sample = payload[start : start + SAMPLE_BYTES]
    return len(_context(contexts, _SAMPLE_LEVEL).compress(sample)) <= SAMPLE_BYTES * (1 - MIN_GAIN)


def _context(contexts: dict[int, zstandard.ZstdCompressor], level: int) -> zstandard.ZstdCompressor:
    if level not in contexts:
        contexts[level] = zstandard.ZstdCompressor(level=level)
    return contexts[level]


class BoundedDecompressor:
    """Unpacks payloads of a peer that is not trusted; used by one thread."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)

    def unpack(self, frame: Frame) -> Payload:
        """The frame's payload in the clear.

        Raises MigrationError SMS.TRANSFER.PROTOCOL when the payload declares no size, one beyond the limit of a
        frame, or a window beyond 8 MiB: all this is checked before memory is taken.
        """
        if not frame.flags & FLAG_COMPRESSED:
            return frame.payload
        try:
            parameters = zstandard.get_frame_parameters(frame.payload)
            if parameters.content_size > MAX_PAYLOAD_BYTES or parameters.window_size > MAX_WINDOW_BYTES:
                raise protocol_error("compressed frame that grows beyond the limit of a frame")
            return self._context.decompress(frame.payload, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise protocol_error(f"frame that cannot be decompressed ({error})") from error
