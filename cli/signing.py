"""Signs requests of the HTTPS API with SDK-HMAC-SHA256, as the vendor's SDKs do. Pure: the time is an argument."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE_HEADER: Final = "X-Sdk-Date"
DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"

Query = Sequence[tuple[str, str]]


def sign(
    *,
    method: str,
    path: str,
    query: Query,
    headers: Mapping[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
    now: datetime,
) -> dict[str, str]:
    """All headers of the signed request: the given ones, which are all signed, its date and its Authorization.

    path: as it is sent, each segment percent-encoded once. headers: ``Host`` must be among them. now: UTC; the server
    takes a date within 300 s of its own clock.
    """
    date = now.strftime(DATE_FORMAT)
    signed = {**headers, DATE_HEADER: date}
    names = sorted(name.lower() for name in signed)
    canonical = canonical_request(method=method, path=path, query=query, headers=signed, body=body)
    text = f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    proof = f"{ALGORITHM} Access={access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**signed, "Authorization": proof}


def canonical_request(*, method: str, path: str, query: Query, headers: Mapping[str, str], body: bytes) -> str:
    """The text whose hash is signed: every header given is a signed one."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(lower)
    lines = "".join(f"{name}:{lower[name]}\n" for name in names)
    content = hashlib.sha256(body).hexdigest()
    return "\n".join((method.upper(), _canonical_path(path), query_string(query), lines, ";".join(names), content))


def query_string(query: Query) -> str:
    """The query as it is signed and sent: sorted by name, then by value, percent-encoded."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(query))


def _canonical_path(path: str) -> str:
    encoded = "/".join(_encode(segment) for segment in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _encode(text: str) -> str:
    return quote(text, safe="~")
