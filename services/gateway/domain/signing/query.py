"""The query: its pairs, and their canonical order."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from contracts.errors import MigrationError
from contracts.errors.api import API_INVALID_REQUEST
from services.gateway.domain.signing.path import decode_once

_MOST_PAIRS: Final = 100


def query_pairs(raw: str) -> list[tuple[str, str]]:
    """Decoded pairs in the order in which they were sent.

    Raises SMS.API.INVALID_REQUEST also for a plus sign, which some read as a blank and the signature as a plus.
    """
    if "+" in raw:
        raise MigrationError(API_INVALID_REQUEST, field="the query", reason="a plus sign must be sent as %2B or %20")
    parts = [part for part in raw.split("&") if part]
    if len(parts) > _MOST_PAIRS:
        reason = f"it has {len(parts)} parameters; {_MOST_PAIRS} are allowed"
        raise MigrationError(API_INVALID_REQUEST, field="the query", reason=reason)
    pairs = []
    for part in parts:
        name, _, value = part.partition("=")
        pairs.append((decode_once(name, "the query"), decode_once(value, "the query")))
    return pairs


def canonical_query(raw: str) -> str:
    """Pairs sorted by name and encoded anew. Values of one name keep their order: the signer sends a list sorted as
    numbers or as texts, and the order that was signed is the one that is sent."""
    pairs = sorted(query_pairs(raw), key=lambda pair: pair[0])
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
