"""An answer as bytes, so that a repeated request gets exactly those of the first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reply:
    """headers: those of this answer alone (content-type and the like), lower case. error_code: "" for success."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    error_code: str = ""
