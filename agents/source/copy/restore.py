"""Brings target and catalogue together again, where a kill or a power cut has left them with different trees.

A killed source has forgotten what it had sent last; a target after a power cut, what it had moved last. Entries that
came and went in between would stay on the target, and what was changed back would stay changed: no walk looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.catalogue_frames import AFTER_REBOOT, IS_UNSURE
from agents.source.copy.channel import ORDER_STREAM, Channel
from agents.source.copy.compare import CatalogueComparison
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.restructure import MAX_OPERATIONS
from agents.source.copy.rows import UNHELD, Row
from agents.transfer.entries import Entry
from agents.transfer.frames import Kind, protocol_error
from agents.transfer.paths import join
from agents.transfer.structure import Change, Operation, encode_operations
from agents.transfer.verification import Aspect, Status
from contracts.layout import CopyVolume

_MOST_VERDICTS: Final = 1_000_000


class Restoration(CatalogueComparison):
    """Compares all but contents. What the target has too much is removed; what it has aside is put back; what it has
    otherwise is noted as not held, for the walk that follows. What it does not have at all it names itself, as lost."""

    def __init__(
        self, catalogue: Catalogue, volumes: Sequence[CopyVolume], exclusions: Callable[[CopyVolume], Exclusions]
    ) -> None:
        super().__init__(catalogue, volumes, exclusions)
        self._extra: list[tuple[int, bytes]] = []
        self._missing: dict[tuple[int, bytes], int] = {}
        self._different: list[int] = []
        self._is_running = False

    def run(self, channel: Channel) -> None:
        """Afterwards the catalogue claims nothing that the target does not have, once what it has lost is forgotten.

        Raises MigrationError, SessionLostError.
        """
        self._is_running = True
        self._send_all(channel)
        self._is_running = False
        self._catalogue.doubt(self._different)
        if self._catalogue.fact(IS_UNSURE) == AFTER_REBOOT:
            # Which chunks of a large file were on their way was noted, but not on disk.
            for row in self._different:
                self._catalogue.forget_chunks(row)
        gone = sorted(key for key in self._missing if not self._is_below_missing(key))
        back = [Operation(Change.UNSTAGE, volume, self._missing[volume, path], b"", path) for volume, path in gone]
        aside = [Operation(Change.STAGE, volume, self._catalogue.new_row(), path) for volume, path in self._extra]
        operations = back + aside
        for start in range(0, len(operations), MAX_OPERATIONS):
            payload = encode_operations(operations[start : start + MAX_OPERATIONS])
            channel.wait_applied(channel.send(ORDER_STREAM, Kind.STRUCTURE, 0, payload, is_barrier=True))

    def _reads(self, mount_point: str, path: bytes, row: Row) -> bool:
        return False

    def _is_compared(self, volume: int, path: bytes) -> bool:
        verdicts = len(self._extra) + len(self._missing) + len(self._different)
        return self._is_running and verdicts < _MOST_VERDICTS

    def _judge(self, volume: int, path: bytes, entry: Entry, status: Status, aspects: Aspect) -> None:
        full = join(path, entry.name)
        if status is Status.EXTRA:
            if not self._exclusions[volume].reason(path, entry.name):
                self._extra.append((volume, full))
            return
        row = self._catalogue.get(entry.row)
        if row is None or row.volume != volume or self._catalogue.path(entry.row) != full:
            raise protocol_error("verdict on an entry that there is not")
        if row.sequence == UNHELD:
            return  # it is sent in any case
        if status is Status.MISSING:
            self._missing[volume, full] = entry.row
        else:
            self._different.append(entry.row)

    def _is_below_missing(self, key: tuple[int, bytes]) -> bool:
        volume, path = key
        above = path.rpartition(b"/")[0]
        return bool(above) and (volume, above) in self._missing
