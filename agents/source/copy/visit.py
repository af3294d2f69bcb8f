"""Looks at a directory of the source, all of it or some names, and hands what must be read to the pool."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator

from agents.source.copy.classify import Classifier, Findings
from agents.source.copy.listing import Listing, ListingsAhead, Same, look_at
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import UNHELD, UNKNOWN_GENERATION, Row
from agents.source.copy.tally import shown
from agents.source.copy.work import OpenDirectory, Work
from agents.source.scan.directory_scan import signed
from agents.source.tracking.handles import generation
from agents.transfer.entries import EntryKind
from agents.transfer.hashing import CHUNK_BYTES
from agents.transfer.paths import join, open_directory
from contracts.errors.code import MigrationError
from contracts.errors.transfer import SOURCE_UNREADABLE

_WORK_ENTRIES = 256
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class DirectoryVisitor:
    """Used by the thread that leads the round."""

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._catalogue = context.catalogue
        self._classifier = Classifier(context)

    def walk(self, path: bytes, row: Row, *, on_found: Callable[[Findings], None] = lambda _: None) -> Iterator[int]:
        """A directory and everything below it, in bytewise order; yields the rows of the directories on the way."""
        listings = ListingsAhead(self._context)
        stack = [(path, row)]
        try:
            while stack:
                path, row = stack.pop()
                if self._has_moved_on(path, row):
                    continue
                yield row.row
                try:
                    listing = listings.take(path, row, stack)
                except OSError as error:
                    self.cannot_enter(path, row, error)
                    continue
                if isinstance(listing, Same):
                    found = self._pass_over(listing, row)
                else:
                    found = self._visit(listing, path, row, None)
                on_found(found)
                # The first by name must be taken first.
                stack += [(join(path, inner.name), inner) for inner in reversed(found.directories)]
        finally:
            listings.close()

    def look_at(self, descriptor: int, path: bytes, row: Row, names: Collection[bytes]) -> Findings:
        """Some names of a directory, whose descriptor goes over to this call. path: on the target."""
        try:
            listing = look_at(descriptor, names)
        except OSError as error:
            os.close(descriptor)
            self.cannot_enter(path, row, error)
            return Findings()
        return self._visit(listing, path, row, names)

    def open(self, path: bytes, row: Row) -> int:
        """A directory as it was found. Raises OSError ENOENT when another one has come in its place since, or it has
        been given another one."""
        if self._has_moved_on(path, row):
            raise _another()
        descriptor = open_directory(self._context.root, path)
        if signed(os.fstat(descriptor).st_ino) != row.inode:
            os.close(descriptor)
            raise _another()
        return descriptor

    def _has_moved_on(self, path: bytes, row: Row) -> bool:
        """Whether the target has a directory elsewhere than where it was found earlier in this round.

        The source may have it there again: what moved it reports that, to the next round.
        """
        return self._context.restructuring.has_moved and bool(path) and self._catalogue.path(row.row) != path

    def _pass_over(self, same: Same, row: Row) -> Findings:
        self._context.tally.seen(row.volume, 0)
        self._context.tally.unchanged(row.volume, files=same.files, size=same.regular_bytes)
        return Findings(directories=same.directories)

    def _visit(self, listing: Listing, path: bytes, row: Row, names: Collection[bytes] | None) -> Findings:
        is_known = _is_known(row)
        directory = OpenDirectory(listing.descriptor, volume=row.volume, path=path, row=row.row)
        try:
            was = (row.is_pending, row.is_racy)
            is_unchanged = row.is_unchanged(listing.state)
            if not is_unchanged:
                row.is_pending = True
            row.take(listing.state, read_at_ns=listing.read_at_ns)
            if not is_unchanged or was != (row.is_pending, row.is_racy):
                self._catalogue.put((row,))
            self._context.tally.seen(row.volume, 0)
            found = self._compare(directory, row, listing, names, is_known=is_known)
            if found.has_changes and not row.is_pending:
                self._catalogue.mark_pending(row.row)
            self._hand_over(directory, found.items)
            if new := [inner for inner in found.directories if inner.sequence == UNHELD and not inner.is_pending]:
                self._catalogue.put(new)
            if names is None and self._context.tracker is not None:
                self._catalogue.set_generation(row.row, generation(listing.descriptor))
            return found
        except OSError as error:
            self.cannot_enter(path, row, error)
            return Findings()
        finally:
            directory.release()

    def _compare(
        self, directory: OpenDirectory, row: Row, listing: Listing, names: Collection[bytes] | None, *, is_known: bool
    ) -> Findings:
        if names is not None:
            held = self._catalogue.held(row.row, names) if is_known else {}
            return self._classifier.classify(directory, row, listing, held, is_tracked=True)
        # Where something may be left out, the listing alone does not tell what the target has.
        digest = listing.scan.digest() if self._context.exclusions.is_none(directory.path) else None
        if digest and is_known and self._catalogue.listings([row.row]).get(row.row, (None,))[0] == digest:
            scan = listing.scan
            self._context.tally.unchanged(row.volume, files=scan.files, size=scan.regular_bytes)
            return Findings(directories=self._catalogue.subdirectories([row.row]).get(row.row, []))
        held = self._catalogue.held(row.row) if is_known else {}
        found = self._classifier.classify(directory, row, listing, held, is_tracked=False)
        if digest and found.is_settled:
            self._catalogue.set_listing(row.row, digest)
        return found

    def cannot_enter(self, path: bytes, row: Row, error: OSError) -> None:
        """Note why a directory is left out. Raises MigrationError when it is the volume's root."""
        context = self._context
        if error.errno in _GONE and path:
            context.tally.vanish()
            # It may also have moved, unseen from here: whoever finds it again must look at all of it.
            self._catalogue.set_generation(row.row, UNKNOWN_GENERATION)
            context.postpone(row.parent, (row.name,))
        elif not path:
            raise MigrationError(
                SOURCE_UNREADABLE, path=context.volume.source_path, reason=error.strerror or error
            ) from error
        elif error.errno != errno.EXDEV:
            shown_path = shown(context.volume.mount_point, path)
            context.tally.skip(shown_path, "read_error", error.strerror or str(error))

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


def _is_known(row: Row) -> bool:
    """Whether the catalogue may have something in a directory."""
    return row.sequence != UNHELD or row.is_pending


def _another() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
