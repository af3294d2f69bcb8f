"""The canonical path: what is signed must be what is routed, so whatever can be read in two ways is refused."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from contracts.errors import MigrationError
from contracts.errors.api import API_INVALID_REQUEST

_LONGEST: Final = 2048
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def canonical_path(raw: str) -> str:
    """The path decoded once, each segment encoded again, with a slash at the end.

    Raises SMS.API.INVALID_REQUEST for dot segments, empty segments, encoded slashes, backslashes, control
    characters, broken or double percent-encoding.
    """
    decoded = decoded_path(raw)
    encoded = "/".join(quote(segment, safe="~") for segment in decoded.split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def decoded_path(raw: str) -> str:
    """The path decoded once, checked as `canonical_path` says."""
    if not raw.startswith("/"):
        raise _refused("it does not begin with a slash")
    if len(raw) > _LONGEST:
        raise _refused(f"it has {len(raw)} characters; {_LONGEST} are allowed")
    decoded = decode_once(raw, "the path")
    if "%2f" in raw.lower():
        raise _refused("it holds an encoded slash")
    if "\\" in decoded:
        raise _refused("it holds a backslash")
    if _ESCAPE.search(decoded):
        raise _refused("it is encoded twice")
    segments = decoded.split("/")[1:]
    if any(segment in {".", ".."} for segment in segments):
        raise _refused("it holds a dot segment")
    if any(not segment for segment in segments[:-1]):
        raise _refused("it holds an empty segment")
    return decoded


def decode_once(raw: str, field: str) -> str:
    """Percent-decode UTF-8. Raises SMS.API.INVALID_REQUEST for what is no proper encoding of printable text."""
    if not _PRINTABLE.fullmatch(raw) or _BROKEN_ESCAPE.search(raw):
        raise MigrationError(API_INVALID_REQUEST, field=field, reason="its percent-encoding is broken")
    try:
        decoded = unquote(raw, errors="strict")
    except UnicodeDecodeError as error:
        raise MigrationError(API_INVALID_REQUEST, field=field, reason="it is not UTF-8") from error
    if _CONTROL.search(decoded):
        raise MigrationError(API_INVALID_REQUEST, field=field, reason="it holds a control character")
    return decoded


def _refused(reason: str) -> MigrationError:
    return MigrationError(API_INVALID_REQUEST, field="the path", reason=reason)
