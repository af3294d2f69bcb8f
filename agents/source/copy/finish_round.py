"""The end of a round over a volume: hard links, then the directories' own metadata, inner ones first."""

from __future__ import annotations

import os
import time

from agents.source.copy.channel import ORDER_STREAM
from agents.source.copy.read_entry import read_opened
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import UNHELD, Row
from agents.source.scan.directory_scan import signed
from agents.transfer.content import hash_xattrs
from agents.transfer.entries import Entry, EntryKind, encode_group
from agents.transfer.frames import HEADER, Kind
from agents.transfer.paths import open_directory, split

_FRAME_BYTES = 1 << 20
_ENTRY_BYTES = 400


def finish_links(context: RoundContext) -> None:
    """Link the further names of inodes to the one that carried the contents."""
    below = 1 << 62
    while rows := context.catalogue.pending(context.volume.index, directories=False, below=below):
        for row in rows:
            first = _first_name(context, row)
            path = context.catalogue.path(row.row)
            first_path = context.catalogue.path(first.row) if first else None
            if first is None or first_path is None or path is None:
                # Its first name went in mid-round: the next round sees this one as new, or as not held if the target
                # has something there.
                _give_up(context, row)
                context.postpone(row.parent, (row.name,))
                context.tally.vanish()
                continue
            if first.ctime_ns != row.ctime_ns:
                # It changed after it was read by its first name, or could not be read by that one any more.
                context.postpone(row.parent, (row.name,))
            context.restructuring.link(first, first_path, row, path)
        context.restructuring.flush()
        below = rows[-1].row


def finish_directories(context: RoundContext) -> None:
    """Send owner, mode, times, attributes and flags of every directory that is new or had changes in it."""
    below = 1 << 62
    while rows := context.catalogue.pending(context.volume.index, directories=True, below=below):
        below = rows[-1].row
        parts: list[bytes | memoryview] = []
        ready: list[Row] = []
        size = 0
        for row in rows:
            found = _read_directory(context, row, context.catalogue.path(row.row))
            if found is not None:
                parts += encode_group(row.volume, found[0], [found[1]])
                ready.append(row)
                size += len(found[0]) + _ENTRY_BYTES + sum(len(value) for _, value in found[1].xattrs)
            if size > _FRAME_BYTES:
                _send(context, parts, ready)
                parts, ready, size = [], [], 0
        _send(context, parts, ready)


def _send(context: RoundContext, parts: list[bytes | memoryview], rows: list[Row]) -> None:
    if not rows:
        return
    payload = b"".join(parts)
    sequence = context.channel.send(ORDER_STREAM, Kind.DIRECTORIES, 0, payload, is_barrier=True)
    for row in rows:
        row.sequence, row.is_pending = sequence, False
    context.catalogue.record(rows, (), sequence=sequence, wire_bytes=HEADER.size + len(payload))


def _read_directory(context: RoundContext, row: Row, path: bytes | None) -> tuple[bytes, Entry] | None:
    """Path of the directory above, and the entry; None if it is gone by now."""
    if path is None:
        return None
    try:
        descriptor = open_directory(context.root, path)
    except OSError:
        context.tally.vanish()
        return None
    try:
        reading = read_opened(descriptor, row.name)
    finally:
        os.close(descriptor)
    entry = reading.entry
    if entry.kind is not EntryKind.DIRECTORY or signed(reading.state.st_ino) != row.inode:
        # Another directory has come in its place since: the next round finds both.
        context.tally.vanish()
        return None
    row.take(reading.state, read_at_ns=time.time_ns())
    row.xattrs_hash, row.inode_flags = hash_xattrs(entry.xattrs), entry.inode_flags
    entry.row = row.row
    return split(path)[0], entry


def _give_up(context: RoundContext, row: Row) -> None:
    if row.sequence == UNHELD:
        context.catalogue.forget(row.row)
        return
    row.sequence, row.is_pending = UNHELD, False
    context.catalogue.put((row,))


def _first_name(context: RoundContext, row: Row) -> Row | None:
    names = context.catalogue.by_inode(row.volume, row.inode)
    # Of another kind is what had the inode before, and will be found to be gone.
    held = [name for name in names if name.kind is row.kind and not name.is_pending and name.sequence >= 0]
    return next((name for name in held if context.catalogue.path(name.row) is not None), None)
