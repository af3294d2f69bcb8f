"""The catalogue of what the target holds, in SQLite: a row for each entry, block hashes for large files."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import chain
from operator import attrgetter
from pathlib import Path

from agents.source.copy.catalogue_frames import FrameLedger
from agents.source.copy.catalogue_schema import FOUND_ELSEWHERE, LOSE_ENTRIES, PRAGMAS, SCHEMA, SET_GENERATION, upsert
from agents.source.copy.rows import STAGED_PARENT, UNHELD, ChunkRow, Row
from agents.transfer.entries import EntryKind
from agents.transfer.paths import join
from contracts.errors.code import MigrationError
from contracts.errors.transfer import CATALOGUE_DAMAGED

# Not dataclasses.astuple, which copies deeply: it took 38 % of the source's interpreter time in a full copy.
_values = attrgetter(*(field.name for field in fields(Row)))
_chunk_values = attrgetter(*(field.name for field in fields(ChunkRow)))
_COLUMNS = tuple({"row": "id", "round_number": "round"}.get(field.name, field.name) for field in fields(Row))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM entry "  # noqa: S608 - our own field names
_SELECT_HELD = (
    "SELECT id, name, CASE WHEN kind != 2 AND sequence != -1 AND NOT (is_racy OR is_partial OR is_pending) "
    "THEN inode END, size, mtime_ns, ctime_ns FROM entry WHERE parent >= 0 AND parent "
)
Held = tuple[int, bytes, int | None, int, int, int]
"""Row, name, inode (None unless the target certainly holds it, and for directories), size, mtime, ctime."""
# Rows in one statement, during which no other thread of the interpreter has to wait for its lock, and less than the 999
# values that older SQLite takes.
_TOGETHER = 32
_UPSERT, _UPSERT_TOGETHER = upsert(_COLUMNS, rows=1), upsert(_COLUMNS, rows=_TOGETHER)
_KINDS = {int(kind): kind for kind in EntryKind}
_BATCH = 512
_KNOWN_PATHS = 10_000
_COMMIT_BYTES = 8 << 20
_SYNC_BYTES = 16 << 20


class Catalogue(FrameLedger):
    """Used by all threads of a session; each method is one step under a lock. commit makes the steps since the
    last commit permanent together. A kill loses the steps after it, a power cut those after the last sync, neither the
    file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lock, self._row_lock = threading.RLock(), threading.Lock()
        self._uncommitted_bytes = 0
        self._unsynced_bytes = 0
        # Of directories in which something was looked for, as long as nothing moves: most are asked for again.
        self._paths: dict[int, bytes] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            super().__init__(sqlite3.connect(path, check_same_thread=False, isolation_level="DEFERRED"), lock)
            self._database.executescript(PRAGMAS + SCHEMA + FOUND_ELSEWHERE)
        except sqlite3.Error as error:
            raise MigrationError(CATALOGUE_DAMAGED, path=path, reason=error) from error
        self._last_row = int(self._database.execute("SELECT coalesce(max(id), 0) FROM entry").fetchone()[0])

    def close(self) -> None:
        """Commit and close."""
        with self._lock:
            self._database.commit()
            self._database.close()

    def commit(self) -> None:
        """Make everything so far permanent."""
        with self._lock:
            try:
                self._database.commit()
                self._uncommitted_bytes = 0
            except sqlite3.Error as error:
                raise MigrationError(CATALOGUE_DAMAGED, path=self._path, reason=error) from error

    def sync(self) -> None:
        """Have what was committed outlive a power cut too, once frames of 16 MiB are recorded that would not."""
        with self._lock:
            if self._unsynced_bytes < _SYNC_BYTES:
                return
            self.commit()
            self._unsynced_bytes = 0
        # Nobody else waits for it. A torn end is not taken for a commit: each has a checksum. Where the file system
        # cannot have a log, each commit has been put on disk.
        try:
            with suppress(FileNotFoundError), open(f"{self._path}-wal", "rb") as log:
                os.fdatasync(log.fileno())
        except OSError as error:
            raise MigrationError(CATALOGUE_DAMAGED, path=self._path, reason=error) from error

    def new_row(self) -> int:
        """A number for a new entry."""
        # A lock of its own: a thread that writes what it has sent holds the other one for long.
        with self._row_lock:
            self._last_row += 1
            return self._last_row

    def has_given(self, rows: Iterable[int]) -> bool:
        """Whether these are numbers that entries have or had."""
        return all(0 < row <= self._last_row for row in rows)

    def put(self, rows: Iterable[Row]) -> None:
        """Insert or replace rows."""
        values = list(map(_values, rows))
        with self._lock:
            for start in range(0, len(values) - _TOGETHER + 1, _TOGETHER):
                some = tuple(chain.from_iterable(values[start : start + _TOGETHER]))
                self._database.execute(_UPSERT_TOGETHER, some)
            self._database.executemany(_UPSERT, values[len(values) // _TOGETHER * _TOGETHER :])

    def record(self, rows: Sequence[Row], chunks: Sequence[ChunkRow], *, sequence: int, wire_bytes: int) -> None:
        """Take in what a frame carried, all or nothing; every 8 MiB of frames become permanent at once."""
        with self._lock:
            self.put(rows)
            self._database.executemany("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?)", map(_chunk_values, chunks))
            self._database.execute("INSERT OR REPLACE INTO frame VALUES (?, ?)", (sequence, wire_bytes))
            self._uncommitted_bytes += wire_bytes
            self._unsynced_bytes += wire_bytes
            if self._uncommitted_bytes >= _COMMIT_BYTES:
                self.commit()

    def root(self, volume: int) -> Row | None:
        """The row of a volume's root directory."""
        # The sign keeps SQLite from looking through all of the volume by its index of inodes.
        return next(iter(self._rows("WHERE parent = 0 AND parent >= 0 AND +volume = ?", volume)), None)

    def children(self, directory: int) -> dict[bytes, Row]:
        """The entries of a directory by name."""
        return {row.name: row for row in self._rows("WHERE parent = ? AND parent >= 0", directory)}

    def held(self, directory: int, names: Iterable[bytes] | None = None) -> dict[bytes, Held]:
        """By name, what tells whether an entry has changed: a third of the time that whole rows take.

        names: only those, None for all.
        """
        with self._lock:
            if names is None:
                return {item[1]: item for item in self._database.execute(_SELECT_HELD + "= ?", (directory,))}
            query = _SELECT_HELD + "= ? AND name = ?"
            found = (self._database.execute(query, (directory, name)).fetchone() for name in names)
            return {item[1]: item for item in found if item}

    def rows(self, numbers: Sequence[int]) -> dict[bytes, Row]:
        """Rows by the names of their entries, which are of one directory."""
        found: dict[bytes, Row] = {}
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            found |= {row.name: row for row in self._rows(f"WHERE id IN ({_marks(batch)})", *batch)}
        return found

    def directories(self, volume: int, inode: int, generation: int) -> list[Row]:
        """The rows of a directory by what it is on the source; generation as `generation`. There are several while
        one at its new place is known and its old place has not been looked at."""
        where = "JOIN directory ON row = id WHERE volume = ? AND inode = ? AND kind = 2 AND parent >= 0 "
        return list(self._rows(where + "AND generation = ? ORDER BY id", volume, inode, generation))

    def generation(self, directory: int) -> int | None:
        """The inode generation of a directory when all its entries were last looked at."""
        with self._lock:
            query = "SELECT generation FROM directory WHERE row = ?"
            found = self._database.execute(query, (directory,)).fetchone()
        return int(found[0]) if found else None

    def set_generation(self, directory: int, generation: int) -> None:
        """Note that all entries of a directory are looked at."""
        with self._lock:
            self._database.execute(SET_GENERATION, (directory, generation))

    def subdirectories(self, directories: Sequence[int]) -> dict[int, list[Row]]:
        """The directories in some directories, of 512 at most: by the row of the one above, and by name."""
        where = f"WHERE parent IN ({_marks(directories)}) AND parent >= 0 AND kind = 2 ORDER BY parent, name"
        found: dict[int, list[Row]] = {}
        for row in self._rows(where, *directories):
            found.setdefault(row.parent, []).append(row)
        return found

    def listings(self, directories: Sequence[int]) -> dict[int, tuple[bytes, int | None]]:
        """What set_listing was given, where no entry of the directory has come, gone or changed here since, and
        `generation`; of 512 at most."""
        query = (
            "SELECT listing.row, digest, generation FROM listing LEFT JOIN directory ON directory.row = listing.row "
        )
        with self._lock:
            found = self._database.execute(f"{query} WHERE listing.row IN ({_marks(directories)})", directories)
            return {row: (digest, generation) for row, digest, generation in found}

    def set_listing(self, directory: int, digest: bytes) -> None:
        """Note that the target certainly holds all that was listed in a directory, by the digest of its Scan."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO listing VALUES (?, ?)", (directory, digest))

    def racy(self, volume: int, *, before_ns: int, limit: int) -> list[Row]:
        """Some entries, directories aside, that may have changed unseen when they were read, and not since a time."""
        where = "WHERE is_racy AND volume = ? AND parent >= 0 AND kind != ? AND ctime_ns < ? LIMIT ?"
        return list(self._rows(where, volume, int(EntryKind.DIRECTORY), before_ns, limit))

    def next_pass(self) -> int:
        """A number for a pass over the volumes, above all earlier ones."""
        number = self.fact("pass") + 1
        self.set_fact("pass", number)
        return number

    def get(self, number: int) -> Row | None:
        """A row by its number."""
        return next(iter(self._rows("WHERE id = ?", number)), None)

    def by_inode(self, volume: int, inode: int) -> list[Row]:
        """All names of an inode, oldest row first; those kept aside too."""
        return list(self._rows("WHERE volume = ? AND inode = ? ORDER BY id", volume, inode))

    def names_of(self, volume: int, inode: int, kind: EntryKind) -> int:
        """How many names of an inode the target has; of another kind is what had its number before."""
        with self._lock:
            query = "SELECT count(*) FROM entry WHERE volume = ? AND inode = ? AND kind = ? AND parent >= 0"
            return int(self._database.execute(query, (volume, inode, int(kind))).fetchone()[0])

    def pending(self, volume: int, *, directories: bool, below: int = 1 << 62) -> list[Row]:
        """Some of the rows that still have something to be sent at the end of a round: those with the greatest
        numbers below one. What is inside a directory has a greater number than the directory."""
        comparison = "=" if directories else "!="
        where = f"WHERE is_pending AND volume = ? AND kind {comparison} ? AND parent >= 0 AND id < ? "
        where += f"ORDER BY id DESC LIMIT {_BATCH}"
        return list(self._rows(where, volume, int(EntryKind.DIRECTORY), below))

    def has_pending(self, volume: int) -> bool:
        """Whether the end of the last round has left something to the next one."""
        return any(self._rows("WHERE is_pending AND volume = ? AND parent >= 0 LIMIT 1", volume))

    def mark_pending(self, directory: int) -> None:
        """Note that a directory's metadata must be sent again, since something in it changes on the target."""
        with self._lock:
            self._database.execute("UPDATE entry SET is_pending = 1 WHERE id = ?", (directory,))

    def path(self, number: int) -> bytes | None:
        """Path of an entry below its volume's root; None if it, or a directory above it, is kept aside or gone."""
        names: list[bytes] = []
        above = number
        with self._lock:
            while (path := self._paths.get(above)) is None:
                found = self._database.execute("SELECT parent, name FROM entry WHERE id = ?", (above,)).fetchone()
                if found is None or found[0] == STAGED_PARENT:
                    return None
                if found[0] == 0:
                    path = b""
                    break
                above = found[0]
                if not names:
                    parent = above
                names.append(found[1])
            if not names:
                return path
            for name in reversed(names[1:]):
                path = join(path, name)
            if len(self._paths) >= _KNOWN_PATHS:
                self._paths.clear()
            self._paths[parent] = path
        return join(path, names[0])

    def move(self, number: int, parent: int, name: bytes) -> None:
        """Give an entry another place (parent STAGED_PARENT: kept aside)."""
        with self._lock:
            self._paths.clear()
            self._database.execute("UPDATE entry SET parent = ?, name = ? WHERE id = ?", (parent, name, number))

    def forget(self, number: int) -> None:
        """Remove a row with everything below it."""
        waiting = [number]
        with self._lock:
            self._paths.clear()
            while waiting:
                batch, waiting = waiting[-_BATCH:], waiting[:-_BATCH]
                marks = _marks(batch)
                inner = self._database.execute(f"SELECT id FROM entry WHERE parent >= 0 AND parent IN ({marks})", batch)  # noqa: S608
                waiting += [number for (number,) in inner.fetchall()]
                self._database.execute(f"DELETE FROM chunk WHERE row IN ({marks})", batch)  # noqa: S608
                self._database.execute(f"DELETE FROM directory WHERE row IN ({marks})", batch)  # noqa: S608
                self._database.execute(f"DELETE FROM entry WHERE id IN ({marks})", batch)  # noqa: S608

    def forget_staged(self, volume: int) -> None:
        """Remove the rows of everything kept aside: the target has removed it."""
        for row in list(self._rows("WHERE parent < 0 AND volume = ?", volume)):
            self.forget(row.row)

    def has_staged(self, volume: int) -> bool:
        """Whether the target keeps something aside."""
        return any(self._rows("WHERE parent < 0 AND volume = ? LIMIT 1", volume))

    def chunk(self, row: int, index: int) -> ChunkRow | None:
        """The block hashes of a chunk; its sequence is UNHELD when the target does not have it."""
        with self._lock:
            query = "SELECT row, number, sequence, hashes FROM chunk WHERE row = ? AND number = ?"
            found = self._database.execute(query, (row, index)).fetchone()
        return ChunkRow(*found) if found else None

    def begin_chunks(self, chunks: Iterable[ChunkRow]) -> None:
        """Note, before they are sent, that the target will have something else in these: a kill must not forget it."""
        with self._lock:
            self._database.executemany("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?)", map(_chunk_values, chunks))
            self.commit()

    def has_held_chunks(self, row: int) -> bool:
        """Whether the target has any chunk of a file."""
        with self._lock:
            query = "SELECT 1 FROM chunk WHERE row = ? AND sequence != ? LIMIT 1"
            return self._database.execute(query, (row, UNHELD)).fetchone() is not None

    def forget_chunks(self, row: int, *, first: int = 0) -> None:
        """Remove block hashes from a chunk on."""
        with self._lock:
            self._database.execute("DELETE FROM chunk WHERE row = ? AND number >= ?", (row, first))

    def copy_chunks(self, first: int, row: int) -> None:
        """A further name of an inode has the same block hashes as its first."""
        with self._lock:
            self.forget_chunks(row)
            query = "INSERT INTO chunk SELECT ?, number, sequence, hashes FROM chunk WHERE row = ?"
            self._database.execute(query, (row, first))

    def doubt(self, rows: Iterable[int]) -> None:
        """Mark rows as not held, and directories as to be sent again: the target has something else there."""
        with self._lock:
            self._database.executemany(f"{LOSE_ENTRIES} WHERE id = ?", ((row,) for row in rows))

    def forget_large(self, row: int) -> None:
        """A large file becomes a small one: until that is sent, the target has neither."""
        with self._lock:
            self._database.execute("UPDATE entry SET sequence = ?, block_bytes = 0 WHERE id = ?", (UNHELD, row))
            self.forget_chunks(row)

    @property
    def changes(self) -> int:
        """Grows with each row that is written."""
        with self._lock:
            return self._database.total_changes

    def totals(self, volume: int) -> tuple[int, int]:
        """Number of entries and bytes of contents of a volume (each inode once, roughly: by row)."""
        with self._lock:
            query = "SELECT count(*), coalesce(sum(size), 0) FROM entry WHERE volume = ? AND parent >= 0 AND kind = 1"
            files, size = self._database.execute(query, (volume,)).fetchone()
        return int(files), int(size)

    def _rows(self, where: str, *values: object) -> Iterator[Row]:
        with self._lock:
            found = self._database.execute(_SELECT + where, values).fetchall()
        for item in found:
            row = Row(*item)
            row.kind = _KINDS[row.kind]
            row.is_racy, row.is_partial, row.is_pending = bool(row.is_racy), bool(row.is_partial), bool(row.is_pending)
            yield row


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
