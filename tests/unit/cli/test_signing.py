"""Our signatures are those of the vendor's own signer."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from random import Random
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from cli.signing import query_string, sign

TEXTS = string.ascii_letters + string.digits + " -._~!*'();:@&=+$,/?%#[]äß漢字"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
SECRET = "sécret"  # noqa: S105 - of a test
NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)


def some_text(random: Random, *, least: int = 0, most: int = 12, of: str = TEXTS) -> str:
    return "".join(random.choice(of) for _ in range(random.randint(least, most)))


def some_request(random: Random) -> SdkRequest:
    segments = [some_text(random, least=1, of=TEXTS.replace("/", "")) for _ in range(random.randint(1, 5))]
    names = [some_text(random, least=1, most=random.choice((1, 12))) for _ in range(random.randint(0, 5))]
    headers = {"Host": "sms.example.org:8443", "Content-Type": "application/json"}
    headers |= {f"X-{number}{some_text(random, of=string.ascii_letters)}": some_text(random) for number in range(2)}
    headers["X-Sdk-Date"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    return SdkRequest(
        method=random.choice(METHODS),
        schema="https",
        host=headers["Host"],
        resource_path="/" + "/".join(quote(segment, safe="") for segment in segments),
        query_params=[(name, some_text(random)) for name in names],
        header_params=headers,
        body=some_text(random, most=40).encode(),
    )


@pytest.mark.parametrize("batch", range(4))
def test_a_generated_request_is_signed_as_the_vendors_signer_does(batch: int) -> None:
    random = Random(batch)
    for _ in range(500):
        request = some_request(random)
        ours = sign(
            method=request.method,
            path=request.resource_path,
            query=request.query_params,
            headers={name: value for name, value in request.header_params.items() if name != "X-Sdk-Date"},
            body=request.body,
            access_key="AK1",
            secret_key=SECRET,
            now=NOW,
        )
        described = (request.method, request.resource_path, list(request.query_params), dict(request.header_params))
        theirs = Signer(BasicCredentials("AK1", SECRET, "p")).sign(request)
        assert ours["Authorization"] == theirs.header_params["Authorization"], described
        assert query_string(request.query_params) == theirs.uri.partition("?")[2]


def test_every_part_of_a_request_changes_its_signature() -> None:
    def proof(
        method: str = "GET",
        path: str = "/v3/tasks",
        value: str = "1",
        host: str = "a",
        body: bytes = b"",
        second: int = 0,
    ) -> str:
        return sign(
            method=method, path=path, query=[("limit", value)], headers={"Host": host}, body=body, access_key="AK1",
            secret_key=SECRET, now=NOW.replace(second=second),
        )["Authorization"]  # fmt: skip

    proofs = {
        proof(), proof(method="PUT"), proof(path="/v3/task"), proof(value="2"), proof(host="b"), proof(body=b"x"),
        proof(second=1),
    }  # fmt: skip
    assert len(proofs) == 7
