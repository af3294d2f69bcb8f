"""The official signer is the oracle: what it signs, the gateway reads back to the very same string."""

from __future__ import annotations

import hashlib
import hmac
import random
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from services.gateway.domain.signing import RawRequest, read_signed_request

REQUESTS = 10_000
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
# Letters of all widths, and everything that means something in a URL or to a signer.
CHARACTERS = "abcXYZ019-._~ !*'();:@&=+$,?#[]<>{}|^`\"%äßéñ漢字🙂"
NAMES = ("limit", "offset", "name", "state", "id", "b", "B", "a-b", "a_b", "ü", "key%", "x y")
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def text(random_source: random.Random, longest: int = 6) -> str:
    return "".join(random_source.choice(CHARACTERS) for _ in range(random_source.randint(1, longest)))


def segment(random_source: random.Random) -> str:
    """A path parameter as the SDK puts it in: encoded whole. What the gateway refuses is left out."""
    while True:
        found = text(random_source)
        if found not in {".", ".."} and not _looks_encoded(found):
            return quote(found, safe="")


def _looks_encoded(value: str) -> bool:
    digits = set("0123456789abcdefABCDEF")
    return any(
        char == "%" and set(value[at + 1 : at + 3]) <= digits and len(value) >= at + 3 for at, char in enumerate(value)
    )


def value(random_source: random.Random) -> Any:
    kind = random_source.randrange(6)
    if kind == 0:
        return random_source.choice([True, False])
    if kind == 1:
        return random_source.randrange(-5, 10**9)
    if kind == 2:
        return [text(random_source) for _ in range(random_source.randint(1, 4))]
    if kind == 3:
        return [random_source.randrange(200) for _ in range(random_source.randint(1, 4))]
    return text(random_source) if kind == 4 else ""


def sdk_request(random_source: random.Random) -> SdkRequest:
    host = random_source.choice(["127.0.0.1:8443", "sms.example.org", "[::1]:443"])
    headers = {"User-Agent": "sdk; test", "X-Sdk-Date": NOW.strftime("%Y%m%dT%H%M%SZ")}
    if random_source.random() < 0.7:
        headers["X-Project-Id"] = text(random_source)
    if random_source.random() < 0.3:
        headers["X-Language"] = f"  {text(random_source)} \t"
    if random_source.random() < 0.2:
        headers["with_underscore"] = "is not signed"
    body = None
    if random_source.random() < 0.5:
        headers["Content-Type"] = "application/json"
        body = random_source.choice(["{}", '{"name": "ä"}', "null", "[" + "1," * random_source.randrange(50) + "1]"])
    names = random_source.sample(NAMES, random_source.randrange(5))
    slash = random_source.choice(["", "/"])
    path = "/" + "/".join(segment(random_source) for _ in range(random_source.randint(1, 5))) + slash
    return SdkRequest(
        method=random_source.choice(METHODS),
        schema="https",
        host=host,
        resource_path="/" if random_source.random() < 0.02 else path,
        query_params=[(name, value(random_source)) for name in names],
        header_params=headers,
        body=body,
    )


def on_the_wire(request: SdkRequest) -> RawRequest:
    path, _, query = str(request.uri).partition("?")
    # The SDK hands UTF-8 over as Latin-1, in which `requests` writes it.
    headers = [
        (name.lower(), content.encode("latin-1").decode().strip(" \t"))
        for name, content in request.header_params.items()
    ]
    body = request.body or b""
    assert isinstance(body, bytes)
    return RawRequest(method=request.method, path=path, query=query, headers=tuple(headers), body=body)


def test_ten_thousand_requests_of_the_official_signer_are_read_alike(random_source: random.Random) -> None:
    secret = "".join(random_source.choice("abcdef0123456789") for _ in range(40))
    signer = Signer(BasicCredentials("AKTEST", secret, "project"))
    for _ in range(REQUESTS):
        request = signer.sign(sdk_request(random_source))
        signed = read_signed_request(on_the_wire(request), now=NOW, window_s=300)
        wanted = hmac.new(secret.encode(), signed.string_to_sign.encode(), hashlib.sha256).hexdigest()
        assert (signed.access_key, signed.signature) == ("AKTEST", wanted), (request.method, request.uri)
