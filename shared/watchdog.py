"""Ends a process whose event loop has stopped turning, so that the supervisor starts it again."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
from typing import Final

from shared.telemetry import log

STALLED_EXIT_CODE: Final = 70
_BEAT_INTERVAL_S: Final = 1.0


class LoopWatchdog:
    """A thread that watches the loop's beat; async context manager.

    A library that spins without yielding blocks every signal handler and task of the loop: nothing inside the
    loop can notice it.
    """

    def __init__(self, stall_limit_s: float) -> None:
        self._stall_limit_s = stall_limit_s
        self._beat_at = time.monotonic()
        self._stopped = threading.Event()
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._beat_at = time.monotonic()
        self._beating = asyncio.create_task(self._beat(), name="watchdog-beat")
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(_BEAT_INTERVAL_S)

    def _watch(self) -> None:
        looked_at = time.monotonic()
        while not self._stopped.wait(min(_BEAT_INTERVAL_S, self._stall_limit_s / 4)):
            now = time.monotonic()
            # A machine that slept stalls this thread as well: the loop gets its time anew.
            if now - looked_at > self._stall_limit_s / 2:
                self._beat_at = now
            looked_at = now
            if now - self._beat_at > self._stall_limit_s:
                log("event loop stalled", level=50, seconds=round(now - self._beat_at, 1))
                faulthandler.dump_traceback(file=sys.stderr)
                os._exit(STALLED_EXIT_CODE)
