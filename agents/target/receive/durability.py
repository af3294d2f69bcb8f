"""Makes what was written durable: syncfs back to back, in the background, for as long as there is something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from agents.target.receive.reception import Reception
from agents.target.receive.volume import Volume
from contracts.errors.code import MigrationError
from contracts.errors.transfer import TARGET_EIO

_IDLE_WAIT_S = 1.0


class DurabilityThread:
    """One thread for all volumes. An error of the disk ends the session as a failure: a second syncfs would
    report success although data was lost."""

    def __init__(self, reception: Reception, volumes: Callable[[], Iterable[Volume]]) -> None:
        self._reception = reception
        self._volumes = volumes
        self._is_stopping = threading.Event()
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="durability", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Make everything that was applied durable, and end."""
        self._is_stopping.set()
        self._reception.stop()
        self._thread.join()

    def sync_once(self) -> None:
        """Everything that was applied when this is called is on disk when it returns."""
        applied, applied_bytes = self._reception.wait_for_work(0)
        for volume in self._volumes():
            try:
                volume.sync()
            except OSError as error:
                raise MigrationError(
                    TARGET_EIO, volume=volume.index, path="/", reason=error.strerror or str(error)
                ) from error
        self._reception.mark_durable(applied, applied_bytes)

    def _run(self) -> None:
        while not self._is_stopping.is_set() or self._reception.is_behind():
            self._reception.wait_for_work(_IDLE_WAIT_S)
            if not self._reception.is_behind():
                continue
            if self._waits_for_a_session():
                self._is_stopping.wait(_IDLE_WAIT_S)
                continue
            try:
                self.sync_once()
            except MigrationError as error:
                self._has_failed = True
                self._reception.fail(error.failure)
                if error.code == TARGET_EIO.code or self._is_stopping.is_set():
                    return

    def _waits_for_a_session(self) -> bool:
        """What a FAT could not take is tried again by the session that follows, not over and over before it."""
        self._has_failed &= self._reception.failure is not None
        return self._has_failed and not self._is_stopping.is_set()
