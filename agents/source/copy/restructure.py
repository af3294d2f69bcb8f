"""Moves, removals and hard links of a round: collected, sent in order, and then noted in the catalogue."""

from __future__ import annotations

from collections.abc import Callable

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.catalogue_frames import IS_UNSURE
from agents.source.copy.channel import ORDER_STREAM, Channel
from agents.source.copy.rows import STAGED_PARENT, Row
from agents.source.copy.sender import SenderPool
from agents.source.copy.tally import VolumeCount
from agents.transfer.frames import Kind
from agents.transfer.paths import join
from agents.transfer.structure import Change, Operation, encode_operations

MAX_OPERATIONS = 512


class Restructuring:
    """Used by the thread that leads the round.

    The catalogue learns of a change only after the target has acknowledged it: killed in between, the round
    finds the same difference again, and the target takes a repeated change as done.

    has_moved: whether anything has been given another place, or is to be.
    """

    def __init__(
        self, volume: int, catalogue: Catalogue, channel: Channel, pool: SenderPool, count: VolumeCount
    ) -> None:
        self._volume = volume
        self._catalogue = catalogue
        self._channel = channel
        self._pool = pool
        self._count = count
        self._operations: list[Operation] = []
        self._notes: list[Callable[[int], None]] = []
        self.has_moved = False

    def stage(self, row: Row, path: bytes) -> None:
        """Take an entry out of the tree: removed at the end of the round unless it is found elsewhere."""
        self._count.deleted += 1

        def note(_: int) -> None:
            self._catalogue.move(row.row, STAGED_PARENT, row.name)
            self._catalogue.mark_pending(row.parent)

        self._add(Operation(Change.STAGE, self._volume, row.row, path), note)

    @property
    def is_waiting(self) -> bool:
        """Whether a change has not been sent yet, so that the catalogue does not know of it."""
        return bool(self._operations)

    def move(self, row: Row, old_path: bytes | None, directory: Row, path: bytes, name: bytes) -> None:
        """Give an entry a new place at once; old_path None: it was taken out of the tree before."""
        self._count.renamed += 1
        if old_path is None:
            self._count.deleted -= 1
            operation = Operation(Change.UNSTAGE, self._volume, row.row, b"", join(path, name))
        else:
            operation = Operation(Change.RENAME, self._volume, row.row, old_path, join(path, name))

        def note(_: int) -> None:
            self._catalogue.mark_pending(row.parent)
            self._catalogue.move(row.row, directory.row, name)

        self._add(operation, note)
        self.flush()
        row.parent, row.name = directory.row, name

    def link(self, first: Row, first_path: bytes, row: Row, path: bytes) -> None:
        """Make a name a hard link to an inode that has another one."""

        def note(sequence: int) -> None:
            for field in ("mode", "uid", "gid", "size", "mtime_ns", "ctime_ns", "device", "inode_flags", "xattrs_hash"):
                setattr(row, field, getattr(first, field))
            row.content, row.is_racy, row.inode = first.content, first.is_racy, first.inode
            row.link_group = first.link_group = first.inode
            row.block_bytes, row.is_partial, row.is_pending, row.sequence = first.block_bytes, False, False, sequence
            self._catalogue.put((first, row))
            self._catalogue.copy_chunks(first.row, row.row)

        self._add(Operation(Change.LINK, self._volume, row.row, first_path, path), note)

    def flush(self) -> None:
        """Send what is collected, wait until it is applied, and note it."""
        if not self._operations:
            return
        # Contents that were handed over before must not arrive at places that have changed since.
        self._pool.drain()
        payload = encode_operations(self._operations)
        self._catalogue.set_fact(IS_UNSURE, 1)
        sequence = self._channel.send(ORDER_STREAM, Kind.STRUCTURE, 0, payload, is_barrier=True)
        self._channel.wait_applied(sequence)
        # Without bytes: what it has done is not found again by sending entries.
        self._catalogue.record((), (), sequence=sequence, wire_bytes=0)
        for note in self._notes:
            note(sequence)
        self._catalogue.set_fact(IS_UNSURE, 0)
        # A kill that forgot where a folder is would cost to send it again.
        self._catalogue.commit()
        self._operations, self._notes = [], []

    def _add(self, operation: Operation, note: Callable[[int], None]) -> None:
        self.has_moved |= operation.change is not Change.LINK
        self._operations.append(operation)
        self._notes.append(note)
        if len(self._operations) >= MAX_OPERATIONS:
            self.flush()
