"""Tables of the catalogue and how SQLite keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# No index is partial by "parent = -1": SQLite would prepare each query with "parent = ?" anew for each value, which
# took five times as long as the query itself.
# A listing stands only for as long as no entry of its directory is written here, by whom and for whatever reason; of
# the directories in it, which are looked at by themselves, only which they are matters.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, volume INTEGER NOT NULL, name BLOB NOT NULL,
    kind INTEGER NOT NULL, inode INTEGER NOT NULL, mode INTEGER, uid INTEGER, gid INTEGER, size INTEGER,
    mtime_ns INTEGER, ctime_ns INTEGER, device INTEGER, inode_flags INTEGER, xattrs_hash BLOB, content BLOB,
    block_bytes INTEGER, link_group INTEGER, sequence INTEGER NOT NULL, is_racy INTEGER, is_partial INTEGER,
    is_pending INTEGER, round INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS entry_place ON entry (parent, name, volume) WHERE parent >= 0;
CREATE INDEX IF NOT EXISTS entry_inode ON entry (volume, inode);
CREATE INDEX IF NOT EXISTS entry_pending ON entry (volume, kind) WHERE is_pending;
CREATE INDEX IF NOT EXISTS entry_aside ON entry (volume) WHERE parent < 0;
CREATE INDEX IF NOT EXISTS entry_racy ON entry (volume) WHERE is_racy;
CREATE TABLE IF NOT EXISTS directory (row INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS listing (row INTEGER PRIMARY KEY, digest BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entry
    BEGIN DELETE FROM listing WHERE row = new.parent; END;
CREATE TRIGGER IF NOT EXISTS entry_changed AFTER UPDATE ON entry
    WHEN old.kind != 2 OR new.kind != 2 OR (old.inode, old.parent, old.name) != (new.inode, new.parent, new.name)
    BEGIN DELETE FROM listing WHERE row IN (old.parent, new.parent); END;
CREATE TRIGGER IF NOT EXISTS entry_removed AFTER DELETE ON entry
    BEGIN DELETE FROM listing WHERE row IN (old.parent, old.id); END;
CREATE TABLE IF NOT EXISTS chunk (
    row INTEGER, number INTEGER, sequence INTEGER, hashes BLOB, PRIMARY KEY (row, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frame (sequence INTEGER PRIMARY KEY, wire_bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
# A directory that is looked at in a second place while it is known in a first one is known there no more: what changes
# in it from then on is noted with the second, and should it come back to the first, all of it is to be looked at.
FOUND_ELSEWHERE: Final = "".join(
    f"CREATE TRIGGER IF NOT EXISTS directory_found_by_{event} AFTER {event} ON directory WHEN new.generation != -1 "  # noqa: S608 - constant
    "BEGIN UPDATE directory SET generation = -1 WHERE row != new.row AND generation = new.generation AND row IN "
    "(SELECT other.id FROM entry JOIN entry AS other USING (volume, inode) WHERE entry.id = new.row); END;"
    for event in ("insert", "update")
)
# A checkpoint waits for the disk with the lock held, so there are few: at 32 MiB of new pages instead of 4. What was
# committed between two of them is put on disk by sync. The cache of 16 MiB holds the pages of the indexes between two
# commits.
PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8192; "
    "PRAGMA cache_size = -16384;"
)
SET_GENERATION: Final = (
    "INSERT INTO directory VALUES (?, ?) ON CONFLICT (row) DO UPDATE SET generation = excluded.generation "
    "WHERE generation != excluded.generation"
)
# A directory is to be sent again; a large file goes on with the chunks that are still held.
LOSE_ENTRIES: Final = (
    "UPDATE entry SET sequence = -1, is_pending = is_pending OR kind = 2, is_partial = is_partial OR block_bytes > 0"
)


def upsert(columns: Sequence[str], *, rows: int) -> str:
    """A statement that inserts or replaces so many entries by their id, the first of the columns."""
    values = f"({', '.join('?' * len(columns))})"
    return (
        f"INSERT INTO entry ({', '.join(columns)}) VALUES {', '.join([values] * rows)} "  # noqa: S608 - our own names
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns[1:])}"
    )
