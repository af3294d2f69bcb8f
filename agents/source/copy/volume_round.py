"""A round over one volume: walk against the catalogue, and bring the target up to what is found."""

from __future__ import annotations

import errno
import time

from agents.source.copy.channel import ORDER_STREAM
from agents.source.copy.classify import Classifier
from agents.source.copy.finish_round import finish_directories, finish_links
from agents.source.copy.listing import ListingsAhead
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import UNHELD, Row
from agents.source.copy.tally import shown
from agents.source.copy.work import OpenDirectory, Work
from agents.transfer.entries import EntryKind
from agents.transfer.frames import Kind
from agents.transfer.hashing import CHUNK_BYTES
from agents.transfer.paths import join
from contracts.errors.code import MigrationError
from contracts.errors.transfer import SOURCE_UNREADABLE

_WORK_ENTRIES = 256
_LISTED_AHEAD = 16
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class VolumeRound:
    """Leads the round: lists directories in bytewise order, decides, and hands the reading to the pool."""

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._catalogue = context.catalogue
        self._classifier = Classifier(context)
        self._listings = ListingsAhead(context.root)

    def run(self) -> None:
        """The whole round; afterwards the target holds, on disk, what was read. Raises MigrationError."""
        context = self._context
        began = time.monotonic()
        self._walk()
        context.pool.drain()
        context.restructuring.flush()
        self._remove_unreadable()
        context.tally.stage = "links"
        finish_links(context)
        context.tally.stage = "directories"
        finish_directories(context)
        context.tally.stage = "settling"
        self._end()
        context.count.seconds += time.monotonic() - began

    def _walk(self) -> None:
        stack = [(b"", self._root_row())]
        try:
            while stack:
                path, row = stack.pop()
                # The first by name must be taken first.
                stack += reversed(self._visit(path, row))
                self._listings.expect([path for path, _ in stack[: -_LISTED_AHEAD - 1 : -1]])
        finally:
            self._listings.close()
        self._context.count.is_walked = True

    def _root_row(self) -> Row:
        volume = self._context.volume.index
        root = self._catalogue.root(volume)
        if root is None:
            root = Row(self._catalogue.new_row(), 0, volume, b"", EntryKind.DIRECTORY, 0)
        return root

    def _visit(self, path: bytes, row: Row) -> list[tuple[bytes, Row]]:
        """One directory; returns those in it, with their rows."""
        context = self._context
        try:
            listing = self._listings.take(path)
        except OSError as error:
            self._cannot_enter(path, error)
            return []
        directory = OpenDirectory(listing.descriptor, volume=row.volume, path=path, row=row.row)
        try:
            is_known = row.sequence != UNHELD or row.is_pending
            was = (row.is_pending, row.is_racy)
            is_unchanged = row.is_unchanged(listing.state)
            if not is_unchanged:
                row.is_pending = True
            row.take(listing.state, read_at_ns=listing.read_at_ns)
            if not is_unchanged or was != (row.is_pending, row.is_racy):
                self._catalogue.put((row,))
            context.tally.seen(row.volume, 0)
            found = self._classifier.classify(directory, row, listing, is_known=is_known)
            if found.has_changes and not row.is_pending:
                self._catalogue.mark_pending(row.row)
            self._hand_over(directory, found.items)
            self._catalogue.put([new for new in found.directories if new.sequence == UNHELD and not new.is_pending])
            return [(join(path, inner.name), inner) for inner in found.directories]
        except OSError as error:
            self._cannot_enter(path, error)
            return []
        finally:
            directory.release()

    def _hand_over(self, directory: OpenDirectory, items: list[Row]) -> None:
        small: list[Row] = []
        size = 0
        for row in items:
            if row.kind is EntryKind.REGULAR and row.size > CHUNK_BYTES:
                self._context.pool.put(Work(directory, (row,), is_large=True))
                continue
            small.append(row)
            size += row.size
            if len(small) >= _WORK_ENTRIES or size >= CHUNK_BYTES:
                self._context.pool.put(Work(directory, tuple(small)))
                small, size = [], 0
        if small:
            self._context.pool.put(Work(directory, tuple(small)))

    def _cannot_enter(self, path: bytes, error: OSError) -> None:
        context = self._context
        if error.errno in _GONE and path:
            context.tally.vanish()
        elif not path:
            raise MigrationError(
                SOURCE_UNREADABLE, path=context.volume.source_path, reason=error.strerror or error
            ) from error
        elif error.errno != errno.EXDEV:
            shown_path = shown(context.volume.mount_point, path)
            context.tally.skip(shown_path, "read_error", error.strerror or str(error))

    def _remove_unreadable(self) -> None:
        """Take away files of which only a part could be read: part of a file must not pass for all of it."""
        for row in self._context.pool.take_unreadable():
            path = self._catalogue.path(row.row)
            if path is not None:
                self._context.restructuring.stage(row, path)
        self._context.restructuring.flush()

    def _end(self) -> None:
        context = self._context
        payload = context.volume.index.to_bytes(2, "little")
        sequence = context.channel.send(ORDER_STREAM, Kind.END_ROUND, 0, payload, is_barrier=True)
        context.channel.wait_durable(sequence)
        self._catalogue.forget_staged(context.volume.index)
        self._catalogue.fold_frames(context.channel.durable)
        self._catalogue.commit()
