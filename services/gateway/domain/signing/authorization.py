"""The Authorization header: which key signed what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.api import API_UNSIGNED
from services.gateway.domain.signing.request import RawRequest

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE_HEADER: Final = "x-sdk-date"
_HEADER: Final = re.compile(
    rf"{ALGORITHM} Access=(?P<access_key>[A-Za-z0-9_-]{{1,128}}), "
    r"SignedHeaders=(?P<names>[a-z0-9-]{1,64}(?:;[a-z0-9-]{1,64}){0,63}), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_ALWAYS_SIGNED: Final = frozenset({"host", DATE_HEADER})
# These change what a request means, so they count only when they are covered.
_SIGNED_IF_PRESENT: Final = ("x-sdk-", "x-sms-")


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """signature: 64 hexadecimal digits, lower case. signed_headers: lower case, sorted, none twice."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


def read_authorization(request: RawRequest) -> Authorization:
    """Raises SMS.API.UNSIGNED when the header is absent, malformed, or leaves out what must be signed."""
    value = request.header("authorization")
    if value is None:
        raise MigrationError(API_UNSIGNED, reason="there is no header Authorization")
    found = _HEADER.fullmatch(value)
    if found is None:
        raise MigrationError(
            API_UNSIGNED, reason=f"the header Authorization is no {ALGORITHM} with Access, SignedHeaders and Signature"
        )
    names = tuple(found["names"].split(";"))
    if list(names) != sorted(set(names)):
        raise MigrationError(API_UNSIGNED, reason="the signed headers are not sorted, or one is named twice")
    wanted = _ALWAYS_SIGNED | {name for name, _ in request.headers if name.startswith(_SIGNED_IF_PRESENT)}
    if missing := sorted(wanted - set(names)):
        raise MigrationError(API_UNSIGNED, reason=f"these headers are not signed: {', '.join(missing)}")
    return Authorization(access_key=found["access_key"], signed_headers=names, signature=found["signature"])
