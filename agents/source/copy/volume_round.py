"""A round over one volume: look at the source, all of it or what has changed, and bring the target up to that."""

from __future__ import annotations

import time

from agents.source.copy.channel import ORDER_STREAM
from agents.source.copy.finish_round import finish_directories, finish_links
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import Row, root_row
from agents.source.copy.tracked_walk import TrackedWalk
from agents.source.copy.visit import DirectoryVisitor
from agents.source.tracking.changes import Changes
from agents.transfer.frames import Kind


class VolumeRound:
    """Leads the round. changes: the only places to be looked at; None for a walk of everything."""

    def __init__(self, context: RoundContext, changes: Changes | None = None) -> None:
        self._context = context
        self._catalogue = context.catalogue
        self._changes = changes

    def run(self) -> None:
        """The whole round; afterwards the target holds, on disk, what was read. Raises MigrationError."""
        context = self._context
        began = time.monotonic()
        self._look()
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

    def _look(self) -> None:
        context = self._context
        visitor = DirectoryVisitor(context)
        if self._changes is None:
            for _ in visitor.walk(b"", self._root_row()):
                pass
        else:
            TrackedWalk(context, visitor, self._changes).run()
        context.count.is_walked = True

    def _root_row(self) -> Row:
        volume = self._context.volume.index
        return self._catalogue.root(volume) or root_row(self._catalogue.new_row(), volume)

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
