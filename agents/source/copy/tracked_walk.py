"""Looks only at what the kernel has reported as changed, and at what hangs together with it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from agents.source.copy.classify import Findings, Place
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import UNHELD, Row, racy_before_ns
from agents.source.copy.visit import DirectoryVisitor
from agents.source.scan.directory_scan import signed
from agents.source.tracking.changes import Changes
from agents.source.tracking.handles import generation, open_by_handle
from agents.transfer.paths import directory as opened
from agents.transfer.paths import join, open_directory

_ITSELF: Final = b"."
_MAX_RACY: Final = 256


@dataclass(slots=True)
class _Task:
    """Names of a directory that is named by an event or by its row."""

    names: set[bytes]
    handle: bytes | None = None
    row: int = 0


class TrackedWalk:
    """One round's look at the reported places. Used by the thread that leads the round.

    An event names its directory by a handle, which stays the same wherever the directory is moved. The catalogue
    says where the target has it. Nothing is looked at below a directory that the source has elsewhere: its move, or
    that of one above it, comes first. What cannot be settled now is reported again by the kernel, as it has just
    changed, or postponed.
    """

    def __init__(self, context: RoundContext, visitor: DirectoryVisitor, changes: Changes) -> None:
        self._context = context
        self._catalogue = context.catalogue
        self._visitor = visitor
        self._tasks = deque(_Task(names, handle=handle) for handle, names in changes.by_handle.items())
        self._tasks += (_Task(names, row=row) for row, names in changes.by_row.items())
        self._written = changes.written_elsewhere
        self._seen: set[Place] = set()
        self._whole: set[int] = set()

    def run(self) -> None:
        """Look at all of it. Raises MigrationError as a walk does."""
        self._add_racy()
        waiting = self._settle()
        self._add_other_names()
        self._tasks += waiting
        for task in self._settle():
            self._leave(task)

    def _settle(self) -> list[_Task]:
        """Look at all that there is to be looked at; returns what has no known place."""
        waiting: list[_Task] = []
        has_moved_on = False
        while self._tasks:
            task = self._tasks.popleft()
            if self._do(task):
                has_moved_on = True
            else:
                waiting.append(task)
            if not self._tasks and has_moved_on:
                # What waited may have got its place by what was found meanwhile.
                self._tasks += waiting
                waiting, has_moved_on = [], False
        return waiting

    def _add_other_names(self) -> None:
        """What was written to by one name is changed under all. Where that one is found, the catalogue names them; one
        that stands for something else by now, or for nothing, leaves only the handle."""
        for handle in self._written:
            try:
                with _handle_opened(self._context, handle, os.O_PATH) as descriptor:
                    state = os.fstat(descriptor)
            except OSError:
                continue
            if state.st_dev == self._context.device:
                rows = self._catalogue.by_inode(self._context.volume.index, signed(state.st_ino))
                places = {(row.parent, row.name) for row in rows if row.parent > 0} - self._seen
                self._tasks += (_Task({name}, row=parent) for parent, name in places)

    def _add_racy(self) -> None:
        """Read again what may have changed in the instant in which it was read, now that the instant is over."""
        by_directory: dict[int, set[bytes]] = {}
        for row in self._catalogue.racy(self._context.volume.index, before_ns=racy_before_ns(), limit=_MAX_RACY):
            by_directory.setdefault(row.parent, set()).add(row.name)
        self._tasks += (_Task(names, row=row) for row, names in by_directory.items())

    def _do(self, task: _Task) -> bool:
        """Whether nothing is left to be done about it; if not, its directory has no known place yet."""
        if task.handle is None:
            row = self._catalogue.get(task.row)
            return row is None or self._do_at([row], task)
        try:
            descriptor = open_by_handle(self._context.root, task.handle)
        except OSError:
            return True  # removed, with all that was in it
        try:
            rows = self._rows(descriptor)
            return self._do_at(rows, task) if rows else self._is_outside(descriptor, task.handle)
        finally:
            os.close(descriptor)

    def _do_at(self, rows: list[Row], task: _Task) -> bool:
        for row in rows:
            path = self._catalogue.path(row.row)
            if path is None:
                continue
            if self._context.exclusions.is_left_out(path):
                return True
            descriptor = self._open_at(path, row, is_held=task.handle is not None)
            if descriptor is not None:
                self._look(descriptor, path, row, task)
                return True
        return False

    def _rows_by_handle(self, handle: bytes) -> list[Row]:
        try:
            with _handle_opened(self._context, handle) as descriptor:
                return self._rows(descriptor)
        except OSError:
            return []

    def _rows(self, descriptor: int) -> list[Row]:
        """Where the catalogue has an open directory."""
        state = os.fstat(descriptor)
        if state.st_dev != self._context.device:
            return []
        volume, inode = self._context.volume.index, signed(state.st_ino)
        return self._catalogue.directories(volume, inode, generation(descriptor))

    def _open_at(self, path: bytes, row: Row, *, is_held: bool) -> int | None:
        """The directory, if the source has it where the target has it; else a move has not been seen yet. is_held: it
        is open elsewhere, so that its inode is no other directory's."""
        try:
            descriptor = open_directory(self._context.root, path)
        except OSError:
            return None
        is_same = signed(os.fstat(descriptor).st_ino) == row.inode
        if is_same and (is_held or generation(descriptor) == self._catalogue.generation(row.row)):
            return descriptor
        os.close(descriptor)
        return None

    def _is_outside(self, descriptor: int, handle: bytes) -> bool:
        """Whether a directory that the catalogue does not have is none that is to be copied, as far as can be told."""
        if os.fstat(descriptor).st_dev == self._context.device and self._is_inside(descriptor):
            return False
        if self._context.tracker is not None:
            self._context.tracker.ignore(handle)
        return True

    def _is_inside(self, descriptor: int) -> bool:
        try:
            # By a mount that shows all or a part of the file system as its root.
            path = os.readlink(b"/proc/self/fd/%d" % descriptor)
            root = os.readlink(b"/proc/self/fd/%d" % self._context.root).rstrip(b"/") + b"/"
        except OSError:
            return True  # a path beyond PATH_MAX
        if not path.startswith(root) or self._context.exclusions.is_left_out(path[len(root) :]):
            return False
        try:
            with opened(self._context.root, path[len(root) :]) as there:
                return os.path.samestat(os.fstat(there), os.fstat(descriptor))
        except OSError:
            return False

    def _look(self, descriptor: int, path: bytes, row: Row, task: _Task) -> None:
        names = {name for name in task.names if (row.row, name) not in self._seen}
        if not names or row.row in self._whole:
            os.close(descriptor)
            return
        self._seen.update((row.row, name) for name in names)
        found = self._visitor.look_at(descriptor, path, row, names - {_ITSELF})
        self._note(found)
        for inner in found.directories:
            self._enter(join(path, inner.name), inner)

    def _note(self, found: Findings) -> None:
        self._tasks += (_Task({name}, row=row) for row, name in (*found.left, *found.shared))
        for row, name in found.left:
            if (row, name) in self._seen or row in self._whole:
                # It was still there when it was looked at: something above it has moved since.
                self._context.postpone(row, (name,))

    def _enter(self, path: bytes, row: Row) -> None:
        """A directory under a name that has changed: if it is the same as before, nothing below it has moved."""
        try:
            descriptor = self._visitor.open(path, row)
        except OSError as error:
            self._visitor.cannot_enter(path, row, error)
            return
        is_known = row.sequence != UNHELD or row.is_pending
        if is_known and generation(descriptor) == self._catalogue.generation(row.row):
            if (row.row, _ITSELF) in self._seen:
                os.close(descriptor)
                return
            self._seen.add((row.row, _ITSELF))
            self._visitor.look_at(descriptor, path, row, ())
            return
        os.close(descriptor)
        if is_known:
            # What was found in it by name, in this round, must be in the catalogue before it is found again.
            self._context.pool.drain()
        self._whole.update(self._visitor.walk(path, row, on_found=self._note))

    def _leave(self, task: _Task) -> None:
        """To the next round; but what the target has nowhere is looked at when its own arrival is reported."""
        rows = [self._catalogue.get(task.row)] if task.handle is None else self._rows_by_handle(task.handle)
        for row in rows:
            if row and self._catalogue.path(row.row) is not None:
                self._context.postpone(row.row, task.names)


@contextmanager
def _handle_opened(context: RoundContext, handle: bytes, *flags: int) -> Iterator[int]:
    descriptor = open_by_handle(context.root, handle, *flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
