"""The string to sign of SDK-HMAC-SHA256, and the clock window."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.api import API_CLOCK_SKEW, API_INVALID_REQUEST, API_UNSIGNED
from services.gateway.domain.signing.authorization import (
    ALGORITHM,
    DATE_HEADER,
    Authorization,
    read_authorization,
)
from services.gateway.domain.signing.path import canonical_path
from services.gateway.domain.signing.query import canonical_query
from services.gateway.domain.signing.request import RawRequest

_DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_DATE: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_BODY_HASH_HEADER: Final = "x-sdk-content-sha256"


@dataclass(frozen=True, kw_only=True)
class SignedRequest:
    """What identity needs to judge a request. content_digest: SHA-256 over method, path, query and body."""

    access_key: str
    string_to_sign: str
    signature: str
    content_digest: str


def read_signed_request(request: RawRequest, *, now: datetime, window_s: int) -> SignedRequest:
    """Canonicalise a request and check its clock; whether the signature is right only identity can say.

    now: UTC. Raises SMS.API.UNSIGNED, SMS.API.CLOCK_SKEW or SMS.API.INVALID_REQUEST.
    """
    authorization = read_authorization(request)
    date = _signed_at(request, now=now, window_s=window_s)
    body_hash = _body_hash(request)
    path, query = canonical_path(request.path), canonical_query(request.query)
    canonical = "\n".join(
        (
            request.method,
            path,
            query,
            _canonical_headers(request, authorization),
            ";".join(authorization.signed_headers),
            body_hash,
        )
    )
    content = "\n".join((request.method, path, query, body_hash))
    return SignedRequest(
        access_key=authorization.access_key,
        string_to_sign=f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}",
        signature=authorization.signature,
        content_digest=hashlib.sha256(content.encode()).hexdigest(),
    )


def _canonical_headers(request: RawRequest, authorization: Authorization) -> str:
    lines = []
    for name in authorization.signed_headers:
        value = request.header(name)
        if value is None:
            raise MigrationError(API_UNSIGNED, reason=f"the signed header {name} is absent")
        lines.append(f"{name}:{value}\n")
    return "".join(lines)


def _signed_at(request: RawRequest, *, now: datetime, window_s: int) -> str:
    value = request.header(DATE_HEADER)
    if value is None or not _DATE.fullmatch(value):
        raise MigrationError(API_UNSIGNED, reason="the header X-Sdk-Date is no time such as 20260131T235959Z")
    try:
        signed_at = datetime.strptime(value, _DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise MigrationError(API_UNSIGNED, reason="the header X-Sdk-Date names no possible time") from error
    if abs((now - signed_at).total_seconds()) > window_s:
        raise MigrationError(API_CLOCK_SKEW, signed_at=value, server_time=now.strftime(_DATE_FORMAT), window_s=window_s)
    return value


def _body_hash(request: RawRequest) -> str:
    digest = hashlib.sha256(request.body).hexdigest()
    claimed = request.header(_BODY_HASH_HEADER)
    if claimed is not None and request.body and claimed != digest:
        # The vendor's signer writes UNSIGNED-PAYLOAD here for bodies other than JSON; such a body proves nothing.
        raise MigrationError(
            API_INVALID_REQUEST, field="header X-Sdk-Content-Sha256", reason="it is not the SHA-256 of the body"
        )
    return digest
