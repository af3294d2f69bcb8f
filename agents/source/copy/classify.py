"""Decides for each entry of a directory: unchanged, to be read, moved here, a further name, or gone."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from agents.source.copy.catalogue import Held
from agents.source.copy.exclusions import LOST_AND_FOUND
from agents.source.copy.listing import Listing
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import STAGED_PARENT, UNHELD, UNKNOWN_GENERATION, Row
from agents.source.copy.tally import shown
from agents.source.copy.work import OpenDirectory
from agents.source.scan.directory_scan import signed
from agents.transfer.entries import EntryKind, kind_of
from agents.transfer.paths import directory as opened
from agents.transfer.paths import join, split

_SMALL_BYTES = 64 << 10
_SUBVOLUME_STUB = 2
Place = tuple[int, bytes]
"""A name, by the row of its directory."""


@dataclass(slots=True)
class Findings:
    """items: rows to be read (and sent where they differ). directories: rows of the directories, by name.
    has_changes: something in the directory is new, gone or to be read. left, shared: places, as row of the directory
    and name, which must be looked at too: those from where an entry came here, and other names of an inode.
    is_settled: as long as the directory is listed the same, only its directories need a look."""

    items: list[Row] = field(default_factory=list)
    directories: list[Row] = field(default_factory=list)
    has_changes: bool = False
    left: list[Place] = field(default_factory=list)
    shared: list[Place] = field(default_factory=list)
    is_settled: bool = False


@dataclass(slots=True)
class _Present:
    name: bytes
    kind: EntryKind
    state: os.stat_result
    old: Row | None = None


class Classifier:
    """Used by the thread that leads the round."""

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._catalogue = context.catalogue
        # By row of a name that stands for another inode than the catalogue has: that one. Where the other has gone, it
        # is new.
        self._replaced: dict[int, int] = {}
        # Rows of names in the directory that is being compared: what is decided about them stands.
        self._here: set[int] = set()

    def classify(
        self,
        directory: OpenDirectory,
        row: Row,
        listing: Listing,
        held: dict[bytes, Held],
        *,
        is_tracked: bool,
    ) -> Findings:
        """Compare a directory as it was listed with the catalogue. held: what that has of the same names; this call
        takes from it. is_tracked: only some names were listed.

        Changes of the tree are sent before this returns, as far as anything in this directory depends on them.
        """
        others = self._others(directory, listing, held, is_tracked=is_tracked)
        present = self._present(directory, others)
        known = self._catalogue.rows([item[0] for item in held.values()])
        gone = self._gone(directory, present, known)
        for old in gone:
            self._context.restructuring.stage(old, join(directory.path, old.name))
        new = {entry.name for entry in present if entry.old is None}
        if gone and (not new.isdisjoint(old.name for old in gone) if is_tracked else new):
            self._context.restructuring.flush()
        is_settled = not gone and not listing.scan.vanished and len(present) == len(others)
        is_settled = is_settled and all(entry.old and entry.kind is EntryKind.DIRECTORY for entry in present)
        findings = Findings(has_changes=bool(gone), is_settled=is_settled)
        for old in gone:
            if old.link_group:
                self._note_shared(old, findings)
        self._here = {entry.old.row for entry in present if entry.old}
        for entry in present:
            self._decide(directory, row, entry, findings, is_tracked=is_tracked)
        return findings

    def _gone(self, directory: OpenDirectory, present: list[_Present], known: dict[bytes, Row]) -> list[Row]:
        """Known entries that are not there any more; those that are get what is known of them."""
        gone: list[Row] = []
        for entry in present:
            old = known.pop(entry.name, None)
            if old is not None and self._is_other(old, entry):
                gone.append(old)
                continue
            entry.old = old
            inode = signed(entry.state.st_ino)
            if old is not None and old.inode != inode:
                self._replaced[old.row] = inode
        return gone + [row for row in known.values() if not self._context.exclusions.keeps(directory.path, row.name)]

    def _others(
        self, directory: OpenDirectory, listing: Listing, held: dict[bytes, Held], *, is_tracked: bool
    ) -> list[bytes]:
        """Names of what is there and may have changed; what certainly has not is counted, and taken out of held."""
        others = []
        files = size = 0
        may_leave_out = not self._context.exclusions.is_none(directory.path)
        for name, identity, is_regular in listing.scan.entries():
            if may_leave_out and self._is_excluded(directory, name, is_tracked=is_tracked):
                continue
            known = held.get(name)
            if known is not None and known[2:] == identity:
                del held[name]
                files += 1
                if is_regular:
                    size += identity[1]
            else:
                others.append(name)
        self._context.tally.unchanged(directory.volume, files=files, size=size)
        for _ in range(listing.scan.vanished):
            self._context.tally.vanish()
        return sorted(others)

    def _present(self, directory: OpenDirectory, names: list[bytes]) -> list[_Present]:
        context = self._context
        present = []
        for name in names:
            try:
                state = os.stat(name, dir_fd=directory.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                context.tally.vanish()
                continue
            kind = kind_of(state.st_mode)
            if state.st_dev != context.device and self._is_subvolume(directory, name, state):
                continue
            if kind is None:
                self._skip(directory, name, "socket")
            elif not self._is_left_out(directory, name, kind):
                present.append(_Present(name, kind, state))
        return present

    def _is_excluded(self, directory: OpenDirectory, name: bytes, *, is_tracked: bool) -> bool:
        reason = self._context.exclusions.reason(directory.path, name)
        if reason and not is_tracked:
            self._skip(directory, name, reason)
        return reason is not None

    def _skip(self, directory: OpenDirectory, name: bytes, reason: str) -> None:
        path = shown(self._context.volume.mount_point, join(directory.path, name))
        self._context.tally.skip(path, reason)

    def _is_subvolume(self, directory: OpenDirectory, name: bytes, state: os.stat_result) -> bool:
        """Whether an entry has inode numbers of its own below it: then it is another volume, or left out."""
        # Where a snapshot was made of what had a subvolume inside, an empty folder stands for that.
        if not stat.S_ISDIR(state.st_mode) or state.st_ino == _SUBVOLUME_STUB:
            return False
        if state.st_dev not in self._context.devices:
            self._skip(directory, name, "subvolume")
        return True

    def _is_left_out(self, directory: OpenDirectory, name: bytes, kind: EntryKind) -> bool:
        """The empty lost+found of a file system's root: the target's own was made with it."""
        if directory.path or name != LOST_AND_FOUND or kind is not EntryKind.DIRECTORY:
            return False
        with opened(directory.descriptor, name) as descriptor:
            return not os.listdir(descriptor)

    def _is_other(self, old: Row, entry: _Present) -> bool:
        """Whether a known name now stands for something else, which the known one must make room for."""
        inode = signed(entry.state.st_ino)
        if old.kind is not entry.kind:
            return True
        if old.inode == inode or (old.sequence == UNHELD and not old.is_partial):
            return False
        if old.kind is EntryKind.DIRECTORY or old.link_group or entry.state.st_nlink > 1:
            return True
        # A new file under an old name replaces its contents, unless it is a known one that was moved here.
        return bool(self._catalogue.by_inode(old.volume, inode))

    def _decide(
        self, directory: OpenDirectory, parent: Row, entry: _Present, findings: Findings, *, is_tracked: bool
    ) -> None:
        context, state = self._context, entry.state
        row = entry.old
        if row is None and not context.is_first and not (is_tracked and _is_small(entry)):
            row = self._moved_here(directory, parent, entry, findings)
        if entry.kind is EntryKind.DIRECTORY:
            findings.has_changes |= row is None
            row = row or self._new(parent, entry)
            if row.inode != signed(state.st_ino):
                # One that was noted, but never sent, may have been another; some file systems give both one generation.
                row.inode = signed(state.st_ino)
                self._catalogue.set_generation(row.row, UNKNOWN_GENERATION)
            findings.directories.append(row)
            return
        size = state.st_size if entry.kind is EntryKind.REGULAR else 0
        context.tally.seen(parent.volume, size)
        if row is not None and row.is_unchanged(state) and not row.is_pending:
            context.tally.done(parent.volume, files=1, size=size)
            return
        findings.has_changes = True
        row = row or self._new(parent, entry)
        if state.st_nlink > 1 or row.link_group:
            self._note_shared(row, findings, inode=signed(state.st_ino))
        if state.st_nlink > 1 and self._is_further_name(row, entry):
            context.tally.done(parent.volume, files=1, size=size)
            return
        if row.link_group and (row.inode != signed(state.st_ino) or not self._shares(row, entry)):
            row.link_group = 0
        if row.sequence == UNHELD and not row.is_partial:
            row.size = state.st_size
        findings.items.append(row)

    def _shares(self, row: Row, entry: _Present) -> bool:
        """Whether the target may have another name for the inode, even one that the source has no more."""
        return entry.state.st_nlink > 1 or any(
            other.row != row.row for other in self._catalogue.by_inode(row.volume, row.inode)
        )

    def _new(self, parent: Row, entry: _Present) -> Row:
        number = self._catalogue.new_row()
        inode = signed(entry.state.st_ino)
        return Row(number, parent.row, parent.volume, entry.name, entry.kind, inode, size=entry.state.st_size)

    def _note_shared(self, row: Row, findings: Findings, *, inode: int | None = None) -> None:
        """Each name of an inode has its own row, and an event names only one of them."""
        for wanted in {row.inode} if inode is None else {row.inode, inode}:
            others = self._catalogue.by_inode(row.volume, wanted)
            findings.shared += [(one.parent, one.name) for one in others if one.row != row.row and one.parent > 0]

    def _moved_here(self, directory: OpenDirectory, parent: Row, entry: _Present, findings: Findings) -> Row | None:
        """The row of an entry that the target has under another name which the source no longer has."""
        for row in self._candidates(parent.volume, entry):
            path = None
            if row.parent != STAGED_PARENT:
                path = self._catalogue.path(row.row)
                if path is None or self._is_still_at(path, entry):
                    continue
            now = self._when_sent(row)
            if now is None:
                continue
            if path is not None:
                findings.left.append((now.parent, now.name))
            self._context.restructuring.move(now, path, parent, directory.path, entry.name)
            self._here.add(now.row)
            return now
        return None

    def _candidates(self, volume: int, entry: _Present) -> list[Row]:
        inode = signed(entry.state.st_ino)
        rows = self._catalogue.by_inode(volume, inode)
        if rows and self._context.restructuring.is_waiting:
            # One of these, or a directory above it, may be on its way.
            self._context.restructuring.flush()
            rows = self._catalogue.by_inode(volume, inode)
        held = [row for row in rows if row.kind is entry.kind and row.sequence != UNHELD and not row.is_pending]
        return [row for row in held if row.row not in self._here and self._stands_for(row, inode)]

    def _stands_for(self, row: Row, inode: int) -> bool:
        """Whether a name that the catalogue has for an inode is its name, as far as this round has looked."""
        return self._replaced.get(row.row, inode) == inode

    def _when_sent(self, row: Row) -> Row | None:
        """A row after all that is on its way has been sent; None if its name has become another file's meanwhile, which
        then is what the target has there."""
        self._context.pool.drain()
        now = self._catalogue.get(row.row)
        return now if now and now.inode == row.inode and now.sequence != UNHELD else None

    def _is_still_at(self, path: bytes, entry: _Present) -> bool:
        parent_path, name = split(path)
        try:
            with opened(self._context.root, parent_path) as parent:
                return os.stat(name, dir_fd=parent, follow_symlinks=False).st_ino == entry.state.st_ino
        except OSError:
            return False

    def _is_further_name(self, row: Row, entry: _Present) -> bool:
        """Whether the inode has a name already that carries its contents; then this one is linked to it at the
        end of the round. Else this one carries them, and is noted at once for those that follow."""
        inode = signed(entry.state.st_ino)
        others = [
            other
            for other in self._catalogue.by_inode(row.volume, inode)
            if other.row != row.row
            and other.kind is row.kind
            and not other.is_pending
            # One that could not be read when it was to carry the contents carries none.
            and (other.sequence != UNHELD or other.round_number == self._context.pass_number)
            and self._stands_for(other, inode)
            # Not in a directory that was taken away: its inode may have come back as this one.
            and self._catalogue.path(other.row) is not None
        ]
        is_first_here = row.sequence == UNHELD or row.inode != inode
        row.link_group = row.inode = inode
        row.round_number = self._context.pass_number
        has_first = any(other.round_number == row.round_number for other in others)
        row.is_pending = has_first or (is_first_here and bool(others))
        if row.is_pending:
            # The name that it is linked to must have been read in this state.
            row.ctime_ns, row.is_racy = signed(entry.state.st_ctime_ns), True
        self._catalogue.put((row,))
        return row.is_pending


def _is_small(entry: _Present) -> bool:
    """Whether a file is sent anew in less time than a move takes, which waits for the target: measured at 200
    operations/s, 40 of them renames, the moves alone made the rounds take longer than what they had to send."""
    return entry.kind is EntryKind.REGULAR and entry.state.st_nlink == 1 and entry.state.st_size <= _SMALL_BYTES
