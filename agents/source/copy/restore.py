"""Brings target and catalogue together again, where a kill or a power cut has left them with different trees.

A killed source has forgotten what it had sent last; a target after a power cut, what it had moved last. Entries that
came and went in between would stay on the target, and what was changed back would stay changed: no walk looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.catalogue_frames import AFTER_REBOOT, IS_UNSURE
from agents.source.copy.channel import ORDER_STREAM, Channel
from agents.source.copy.compare import CatalogueComparison
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.restructure import MAX_OPERATIONS
from agents.source.copy.rows import UNHELD, Row, root_row
from agents.transfer.entries import Entry
from agents.transfer.frames import Kind, protocol_error
from agents.transfer.paths import join
from agents.transfer.structure import Change, Operation, encode_operations
from agents.transfer.verification import Aspect, Status
from contracts.layout import CopyVolume

# Far more than go into what a source can have forgotten, and no more than memory holds.
_MOST_EXTRA: Final = 1_000_000


class Restoration(CatalogueComparison):
    """Compares all but contents. What the target has too much is removed; what it has aside is put back; what it has
    otherwise is noted as not held, for the walk that follows. What it does not have at all it names itself, as lost."""

    def __init__(
        self, catalogue: Catalogue, volumes: Sequence[CopyVolume], exclusions: Callable[[CopyVolume], Exclusions]
    ) -> None:
        super().__init__(catalogue, volumes, exclusions)
        self._extra: list[tuple[int, bytes]] = []
        self._missing: set[int] = set()
        self._different: set[int] = set()
        self._is_running = False

    def run(self, channel: Channel) -> None:
        """Afterwards the catalogue claims nothing that the target does not have, once what it has lost is forgotten.

        Raises MigrationError, SessionLostError.
        """
        # Of a volume without a root nothing was written down, but something may have been sent.
        unknown = [index for index in self._volumes if self._catalogue.root(index) is None]
        roots = [root_row(self._catalogue.new_row(), index) for index in unknown]
        self._catalogue.put(roots)
        self._is_running = True
        self._send_all(channel)
        self._is_running = False
        for root in roots:
            self._catalogue.forget(root.row)
        self._catalogue.doubt(self._different)
        if self._catalogue.fact(IS_UNSURE) == AFTER_REBOOT:
            # Which chunks of a large file were on their way was noted, but not on disk.
            for row in self._different:
                self._catalogue.forget_chunks(row)
        operations = list(self._put_back())
        operations += [Operation(Change.STAGE, volume, self._catalogue.new_row(), path) for volume, path in self._extra]
        for start in range(0, len(operations), MAX_OPERATIONS):
            payload = encode_operations(operations[start : start + MAX_OPERATIONS])
            channel.wait_applied(channel.send(ORDER_STREAM, Kind.STRUCTURE, 0, payload, is_barrier=True))

    def _reads(self, mount_point: str, path: bytes, row: Row) -> bool:
        return False

    def _sending(self, volume: int, path: bytes, rows: list[Row], *, content_bytes: int, contents: int) -> None:
        """The walk that follows is what is counted."""

    def _is_compared(self, volume: int, path: bytes) -> bool:
        return self._is_running and len(self._extra) < _MOST_EXTRA

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
            self._missing.add(entry.row)
        else:
            self._different.add(entry.row)

    def _put_back(self) -> Iterator[Operation]:
        for number in sorted(self._missing):
            row, path = self._catalogue.get(number), self._catalogue.path(number)
            # What is below another one that is missing comes back, or is lost, with that.
            if row and path is not None and row.parent not in self._missing:
                yield Operation(Change.UNSTAGE, row.volume, number, b"", path)
