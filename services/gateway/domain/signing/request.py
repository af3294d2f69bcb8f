"""A request as it came off the wire, before anything was decoded."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import MigrationError
from contracts.errors.api import API_INVALID_REQUEST


@dataclass(frozen=True, kw_only=True)
class RawRequest:
    """path and query: percent-encoded, as sent. headers: lower-case names with their values, in order, repeats kept."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source_address: str = ""
    request_id: str = ""

    def header(self, name: str) -> str | None:
        """The value of a header, None when it is absent. Raises SMS.API.INVALID_REQUEST when it is there twice."""
        values = [value for known, value in self.headers if known == name]
        if len(values) > 1:
            raise MigrationError(API_INVALID_REQUEST, field=f"header {name}", reason=f"it is there {len(values)} times")
        return values[0] if values else None
