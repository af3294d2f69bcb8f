"""Tags of a server: what a key and a value may look like, and how many there may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.registry import TAG_INVALID, TAG_LIMIT

TAGS_PER_SERVER: Final = 20
KEY_CHARACTERS: Final = 36
VALUE_CHARACTERS: Final = 43
# Letters and digits of any script, and what clouds commonly allow besides; no control characters, no quotes.
_ALLOWED: Final = re.compile(r"[\w .:=+@/-]*")


def with_tags(server_id: str, known: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """known with changes. Raises MigrationError SMS.REGISTRY.TAG_INVALID or SMS.REGISTRY.TAG_LIMIT."""
    for key, value in changes.items():
        _check("key", key, KEY_CHARACTERS, is_needed=True)
        _check("value", value, VALUE_CHARACTERS, is_needed=False)
    tags = {**known, **changes}
    if len(tags) > TAGS_PER_SERVER:
        raise MigrationError(TAG_LIMIT, server_id=server_id, count=len(tags), limit=TAGS_PER_SERVER)
    return dict(sorted(tags.items()))


def matches(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether every wanted tag is there; a wanted value "" stands for any."""
    return all(key in tags and value in ("", tags[key]) for key, value in wanted.items())


def _check(what: str, text: str, longest: int, *, is_needed: bool) -> None:
    is_blank = not text.strip() if is_needed else False
    if is_blank or len(text) > longest or text != text.strip() or not _ALLOWED.fullmatch(text):
        raise MigrationError(TAG_INVALID, what=what, text=text[:80], characters=len(text), limit=longest)
