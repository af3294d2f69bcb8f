"""Kills every process of SMS once while data is being copied: nothing of the migration may depend on luck."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import Final

from demo.command_line import CommandFailedError, Sms

_PAUSE_S: Final = 1.5
_POLL_S: Final = 0.5


class Chaos:
    """Waits in a thread until the full copy has moved some data, then does `kill -9` of one process after another."""

    def __init__(self, sms: Sms, task_id: str) -> None:
        self._sms = sms
        self._task_id = task_id
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._kill_all, name="chaos", daemon=True)
        self.killed: list[str] = []

    def start(self) -> None:
        """Begin to wait for the copy."""
        self._thread.start()

    def stop(self) -> None:
        """The copy is over."""
        self._ending.set()
        self._thread.join(30)

    def _kill_all(self) -> None:
        victims: dict[str, int] = {}
        while not victims and not self._ending.wait(_POLL_S):
            with suppress(CommandFailedError):
                task = self._sms.task(self._task_id)
                progress = task["progress"] or {}
                if task["phase"] == "COPYING" and progress.get("bytes_done", 0) > 0:
                    victims = self._sms.pids()
        for name, pid in victims.items():
            if self._ending.is_set():
                return
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(name)
                print(f"   chaos: kill -9 {name} ({pid})", flush=True)
            time.sleep(_PAUSE_S)
