"""Signs requests as a client does, and lets a test tamper with what it sends."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Generator
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import httpx


def canonical_request(request: httpx.Request, signed_headers: list[str]) -> str:
    raw_path, _, query = request.url.raw_path.decode().partition("?")
    path = "/".join(quote(part, safe="~") for part in unquote(raw_path).split("/"))
    pairs = [tuple(map(unquote, (part + "=").split("=")[:2])) for part in query.split("&") if part]
    pairs.sort(key=lambda pair: pair[0])
    return "\n".join(
        (
            request.method,
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs),
            "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed_headers),
            ";".join(signed_headers),
            hashlib.sha256(request.content).hexdigest(),
        )
    )


class SdkSignature(httpx.Auth):
    """httpx authentication by SDK-HMAC-SHA256. now: the client's clock, for tests of the window."""

    requires_request_body = True

    def __init__(self, access_key: str, secret_key: str, *, now: datetime | None = None) -> None:
        self.access_key = access_key
        self._secret_key = secret_key
        self._now = now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.sign(request)
        yield request

    def sign(self, request: httpx.Request) -> None:
        date = (self._now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Sdk-Date"] = date
        unsigned = {"connection", "accept-encoding", "accept", "content-length", "user-agent", "authorization"}
        names = sorted({name.lower() for name in request.headers} - unsigned)
        digest = hashlib.sha256(canonical_request(request, names).encode()).hexdigest()
        to_sign = f"SDK-HMAC-SHA256\n{date}\n{digest}"
        signature = hmac.new(self._secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        request.headers["Authorization"] = (
            f"SDK-HMAC-SHA256 Access={self.access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )


def as_json(value: object) -> bytes:
    """A body as the SDK writes it."""
    return json.dumps(value).encode()
