"""Keeps a copy's buffers from staying with the process after they were freed."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 256 << 10


def return_large_buffers() -> None:
    """Let the C library give blocks of 256 KiB and more back as soon as they are freed.

    glibc raises that limit to 32 MiB when the first frame is freed; from then on frames fragment the heap of each
    thread. Measured, 30,000 files: 131 MiB resident at most before, 100 after, CPU seconds as before. The setting is of
    the process. Other C libraries have none.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
