"""What has changed and has not been looked at: names by directory, a bounded number of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MAX_NAMES: Final = 200_000
"""About 45 MiB in the worst case; one walk costs less than so many single looks."""


@dataclass(slots=True)
class Changes:
    """Names to be looked at. by_handle: of directories that events named. by_row: of directories by their number in
    the catalogue, left over from an earlier round. written: handles of files, each with a name by which it was written
    to; it may have others that no event has named. replaced: names that did not stand for the same file all the time.
    oldest_at: monotonic time of the first of them, None for none."""

    by_handle: dict[bytes, set[bytes]] = field(default_factory=dict)
    by_row: dict[int, set[bytes]] = field(default_factory=dict)
    written: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    replaced: set[tuple[bytes, bytes]] = field(default_factory=set)
    oldest_at: float | None = None
    count: int = 0

    def add(self, handle: bytes, name: bytes, written: bytes | None, *, is_replaced: bool, at: float) -> None:
        """Note a name, and what was written to by it."""
        if written is not None and written not in self.written:
            self.written[written] = (handle, name)
            self.count += 1
        if is_replaced:
            self.replaced.add((handle, name))
        names = self.by_handle.setdefault(handle, set())
        if name not in names:
            names.add(name)
            self.count += 1
            if self.oldest_at is None:
                self.oldest_at = at

    def add_row(self, row: int, name: bytes, *, at: float) -> None:
        """Note a name of a directory by its row."""
        self.by_row.setdefault(row, set()).add(name)
        self.count += 1
        if self.oldest_at is None:
            self.oldest_at = at

    @property
    def written_elsewhere(self) -> list[bytes]:
        """Handles of files that cannot be found by a name that is to be looked at."""
        return [handle for handle, place in self.written.items() if place in self.replaced]

    @property
    def is_full(self) -> bool:
        """Whether there are so many that a walk is better."""
        return self.count >= MAX_NAMES
