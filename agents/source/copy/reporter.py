"""A thread that reports progress and makes the catalogue permanent at regular times."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.tally import Tally
from contracts.transfer import TransferProgress

INTERVAL_S = 0.5


class Reporter:
    """Two reports a second; as many commits, so that a kill costs little, and a power cut not much more."""

    def __init__(
        self,
        catalogue: Catalogue,
        channel: Channel,
        tally: Tally,
        on_progress: Callable[[TransferProgress], None],
    ) -> None:
        self._catalogue = catalogue
        self._channel = channel
        self._tally = tally
        self._on_progress = on_progress
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.wait(INTERVAL_S):
            self._catalogue.fold_frames(self._channel.durable)
            self._catalogue.commit()
            self._catalogue.sync()
            channel = self._channel
            self._on_progress(self._tally.progress(bytes_sent=channel.bytes_sent, is_stalled=channel.is_stalled))
