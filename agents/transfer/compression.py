"""Compression per frame: only where it shrinks the data, at a level that follows what is scarce."""

from __future__ import annotations

import zstandard

from agents.transfer.frames import FLAG_COMPRESSED, MAX_PAYLOAD_BYTES, Frame, protocol_error

MAX_WINDOW_BYTES = 8 << 20
SAMPLE_BYTES = 64 << 10
MIN_GAIN = 0.05
LOWEST_LEVEL = -3
HIGHEST_LEVEL = 6
MIN_COMPRESSED_BYTES = 128


class AdaptiveCompressor:
    """Compresses payloads for one connection; used by one thread.

    The level rises while sending takes longer than compressing (the link is scarce) and falls in the
    opposite case. Figures of the last frames decay by half with each new one.
    """

    def __init__(self) -> None:
        self.level = 1
        self._contexts: dict[int, zstandard.ZstdCompressor] = {}
        self._compress_s = 0.0
        self._send_s = 0.0
        self._frames = 0

    def compress(self, payload: bytes) -> tuple[int, bytes]:
        """The flags and the payload to send; the payload itself when compression does not pay."""
        if len(payload) < MIN_COMPRESSED_BYTES or not self._shrinks(payload):
            return 0, payload
        packed = self._context(self.level).compress(payload)
        if len(packed) > len(payload) * (1 - MIN_GAIN):
            return 0, payload
        return FLAG_COMPRESSED, packed

    def observe(self, *, compress_s: float, send_s: float) -> None:
        """Learn from a frame: the seconds that compressing and that sending took (including waiting)."""
        self._compress_s = self._compress_s * 0.5 + compress_s
        self._send_s = self._send_s * 0.5 + send_s
        self._frames += 1
        if self._frames % 8:
            return
        if self._send_s > 2 * self._compress_s:
            self.level = min(self.level + 1, HIGHEST_LEVEL)
        elif self._send_s < self._compress_s:
            self.level = max(self.level - 1, LOWEST_LEVEL)

    def _shrinks(self, payload: bytes) -> bool:
        """Try the middle of a large payload at the cheapest level; headers at its start say little."""
        if len(payload) <= 2 * SAMPLE_BYTES:
            return True
        start = (len(payload) - SAMPLE_BYTES) // 2
        sample = payload[start : start + SAMPLE_BYTES]
        return len(self._context(LOWEST_LEVEL).compress(sample)) <= SAMPLE_BYTES * (1 - MIN_GAIN)

    def _context(self, level: int) -> zstandard.ZstdCompressor:
        if level not in self._contexts:
            # Level 0 means zstd's default of 3; level 1 stands in for it so that levels stay in order of cost.
            self._contexts[level] = zstandard.ZstdCompressor(level=level or 1)
        return self._contexts[level]


class BoundedDecompressor:
    """Unpacks payloads of a peer that is not trusted; used by one thread."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)

    def unpack(self, frame: Frame) -> bytes:
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
