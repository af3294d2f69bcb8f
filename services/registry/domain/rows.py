"""Servers as lists show them, each made once and kept as long as its server stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

from contracts.messages.source import SourceServer
from services.registry.domain.server import Server

# A bus message holds 900 KiB; the envelope and the field names of a page are in the reserve.
_PAGE_BYTES: Final = 850 * 1024


class Row:
    """A server as a list shows it. place: where it stands in a list."""

    def __init__(self, server: Server, shown: SourceServer) -> None:
        self._server = server
        self.shown = shown
        self.place = (server.registered_at, server.id)
        # These are shown as time goes by and as agents report, without any change of the record.
        self._may_change_by_itself = server.has_running_task or server.refused_until is not None

    def is_of(self, server: Server) -> bool:
        """Whether it still shows this server."""
        return self._server is server and not self._may_change_by_itself

    @cached_property
    def shown_bytes(self) -> int:
        """Its size in a `SourceServerPage`."""
        return len(self.shown.model_dump_json().encode()) + 1

    @cached_property
    def text(self) -> str:
        """As `ServerTexts` has it."""
        return self.shown.model_dump_json(exclude_defaults=True)

    @cached_property
    def text_bytes(self) -> int:
        """Its size in a `ServerTexts`."""
        return len(json.dumps(self.text, ensure_ascii=False).encode()) + 1


def first_that_fit(rows: Sequence[Row], size_bytes: Callable[[Row], int]) -> Sequence[Row]:
    """As many as one message can carry, at least one."""
    left = _PAGE_BYTES
    for number, row in enumerate(rows):
        left -= size_bytes(row)
        if left < 0 and number:
            return rows[:number]
    return rows
