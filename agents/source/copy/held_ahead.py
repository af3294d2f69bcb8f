"""What the catalogue holds of the directories that a walk comes to next, asked for many at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from agents.source.copy.catalogue import Catalogue, Held

_DIRECTORIES: Final = 32
_MOST_ENTRIES: Final = 10_000


class HeldAhead:
    """Used by the thread that leads the round, for one walk. Asking for 32 directories of 25 entries at once takes two
    thirds of the time that it takes one by one."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._found: dict[int, dict[bytes, Held]] = {}
        self._moves = catalogue.moves

    def take(self, directory: int, following: Iterable[int]) -> dict[bytes, Held]:
        """As Catalogue.held of all names. following: directories that come after it, none of them visited yet."""
        if self._moves != self._catalogue.moves:
            # What was asked for may have come or gone since; nothing else changes before it is visited.
            self._found, self._moves = {}, self._catalogue.moves
        if directory not in self._found:
            self._ask([directory, *islice(following, _DIRECTORIES)])
        found = self._found.pop(directory, None)
        return self._catalogue.held(directory) if found is None else found

    def _ask(self, directories: list[int]) -> None:
        if sum(map(len, self._found.values())) < _MOST_ENTRIES:
            wanted = [directory for directory in directories if directory not in self._found]
            self._found |= self._catalogue.held_in(wanted, limit=_MOST_ENTRIES)
