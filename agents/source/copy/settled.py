"""Listings of directories of which the target certainly holds everything: the catalogue's shorthand for their rows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# An entry that is written to, by whom and for whatever reason, is noted here if its directory has a listing. Of the
# directories in it, which are looked at by themselves, only which they are matters. No OR IGNORE: what a statement says
# of conflicts holds for its triggers too.
_TOUCH: Final = (
    "INSERT INTO touched SELECT row, {entry}.name FROM settled WHERE row = {entry}.parent AND NOT EXISTS "
    "(SELECT 1 FROM touched WHERE parent = {entry}.parent AND name = {entry}.name);"
)
_TOUCH_OLD, _TOUCH_NEW = _TOUCH.format(entry="old"), _TOUCH.format(entry="new")
SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS settled (row INTEGER PRIMARY KEY, digest BLOB NOT NULL, entries BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS touched (parent INTEGER, name BLOB, PRIMARY KEY (parent, name)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS entry_came AFTER INSERT ON entry BEGIN {_TOUCH_NEW} END;
CREATE TRIGGER IF NOT EXISTS entry_became AFTER UPDATE ON entry
    WHEN old.kind != 2 OR new.kind != 2 OR (old.inode, old.parent, old.name) != (new.inode, new.parent, new.name)
    BEGIN {_TOUCH_OLD} {_TOUCH_NEW} END;
CREATE TRIGGER IF NOT EXISTS entry_went AFTER DELETE ON entry
    BEGIN {_TOUCH_OLD}
        DELETE FROM touched WHERE parent = old.id;
        DELETE FROM settled WHERE row = old.id;
    END;
"""  # noqa: S608 - our own text
_PUT: Final = (
    "INSERT INTO settled VALUES (?, ?, ?) ON CONFLICT (row) DO UPDATE SET digest = excluded.digest, "
    "entries = excluded.entries WHERE digest != excluded.digest"
)
_HASH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Settled:
    """entries: what Scan.hashes has given. touched: names whose rows were written since, gone ones too."""

    entries: frozenset[bytes]
    touched: frozenset[bytes]


class SettledListings:
    """A part of the catalogue, under its lock."""

    def __init__(self, database: sqlite3.Connection, lock: threading.RLock) -> None:
        self._database = database
        self._lock = lock

    def digests(self, directories: Sequence[int]) -> dict[int, tuple[bytes, int | None]]:
        """The digests of Scans with no entry touched since, and Catalogue.generation, by row; of 512 at most."""
        marks = ", ".join("?" * len(directories))
        query = (
            "SELECT settled.row, digest, generation FROM settled LEFT JOIN directory ON directory.row = settled.row "  # noqa: S608 - marks
            f"WHERE settled.row IN ({marks}) AND NOT EXISTS (SELECT 1 FROM touched WHERE parent = settled.row)"
        )
        with self._lock:
            found = self._database.execute(query, directories)
            return {row: (digest, generation) for row, digest, generation in found}

    def get(self, directory: int) -> Settled | None:
        """What of a directory need not be looked up row by row."""
        with self._lock:
            found = self._database.execute("SELECT entries FROM settled WHERE row = ?", (directory,)).fetchone()
            if found is None:
                return None
            names = self._database.execute("SELECT name FROM touched WHERE parent = ?", (directory,)).fetchall()
        entries: bytes = found[0]
        hashes = (entries[start : start + _HASH_BYTES] for start in range(0, len(entries), _HASH_BYTES))
        return Settled(frozenset(hashes), frozenset(name for (name,) in names))

    def put(self, directory: int, digest: bytes, entries: Sequence[bytes]) -> None:
        """Note that the target certainly holds all of a Scan, by its digest and its hashes."""
        with self._lock:
            self._database.execute(_PUT, (directory, digest, b"".join(entries)))
            self._database.execute("DELETE FROM touched WHERE parent = ?", (directory,))
