"""By which frames the catalogue's rows came to the target, how much that was, and what follows when some are lost."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import Final

from agents.source.copy.catalogue_schema import LOSE_ENTRIES

IS_UNSURE: Final = "is_unsure"
"""Fact: not 0 while it is not known what the target has, so that a session begins with a comparison. AFTER_REBOOT: nor
what the last commits were."""
AFTER_REBOOT: Final = 2
BOOT: Final = "boot"
"""Fact: tells one boot of the source from another."""
IS_OPEN: Final = "is_open"
"""Fact: 1 from the begin of a session until it ends in order, with all written down that it has sent."""


class FrameLedger:
    """The part of the catalogue that knows of frames, and of single numbers. Frames that change the tree count with 0
    bytes."""

    def __init__(self, database: sqlite3.Connection, lock: threading.RLock) -> None:
        self._database = database
        self._lock = lock

    def fact(self, name: str) -> int:
        """A number kept under a name; 0 when there is none."""
        with self._lock:
            found = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def set_fact(self, name: str, value: int) -> None:
        """Keep a number under a name."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def be_unsure(self, level: int = 1) -> None:
        """Have a session begin with a comparison; the greatest level counts until there has been one."""
        with self._lock:
            self.set_fact(IS_UNSURE, max(level, self.fact(IS_UNSURE)))

    def last_sequence(self) -> int:
        """The greatest sequence that any row has."""
        with self._lock:
            query = "SELECT max((SELECT coalesce(max(sequence), 0) FROM frame), (SELECT coalesce(max(value), 0) "
            query += "FROM fact WHERE name = 'folded_sequence'))"
            return int(self._database.execute(query).fetchone()[0])

    def durable_sequence(self) -> int:
        """The greatest sequence that the target has named durable, as far as it was written down."""
        return self.fact("folded_sequence")

    def lose(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Mark what frames in the given ranges (inclusive) carried as not held; returns their wire bytes.

        With a frame that has changed the tree goes what the catalogue knows of the tree.
        """
        lost = 0
        with self._lock:
            greatest = self.last_sequence()
            for first, last in ranges:
                if first > greatest:
                    continue  # no row has one of these, and to find that out takes a look at each
                between = "WHERE sequence BETWEEN ? AND ?"
                query = f"SELECT coalesce(sum(wire_bytes), 0), coalesce(min(wire_bytes), 1) FROM frame {between}"  # noqa: S608 - constant
                size, least = self._database.execute(query, (first, last)).fetchone()
                lost += int(size)
                if not least:
                    self.be_unsure()
                for statement in (LOSE_ENTRIES, "UPDATE chunk SET sequence = -1", "DELETE FROM frame"):
                    self._database.execute(f"{statement} {between}", (first, last))
        return lost

    def held_bytes(self) -> int:
        """Wire bytes of all frames whose contents are in the catalogue as held."""
        with self._lock:
            query = "SELECT coalesce(sum(wire_bytes), 0) FROM frame"
            return self.fact("folded_bytes") + int(self._database.execute(query).fetchone()[0])

    def fold_frames(self, durable: int) -> None:
        """Forget single frames up to the durable watermark; only their sum matters from then on."""
        with self._lock:
            query = "SELECT coalesce(sum(wire_bytes), 0), coalesce(max(sequence), 0) FROM frame WHERE sequence <= ?"
            size, last = self._database.execute(query, (durable,)).fetchone()
            if last:
                self.set_fact("folded_bytes", self.fact("folded_bytes") + size)
                self.set_fact("folded_sequence", max(last, self.fact("folded_sequence")))
                self._database.execute("DELETE FROM frame WHERE sequence <= ?", (durable,))
