"""A server that answers as a test has written down, over HTTPS with a certificate of a CA of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from pydantic import SecretStr

from cli.profile_file import Profile
from shared.bus_server.certificates import make_authority, make_server_certificate

ACCESS_KEY, SECRET_KEY = "AKTEST", "a-secret-key"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. is_genuine: the vendor's signer comes to the same signature."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    is_genuine: bool


@dataclass
class ApiServer:
    """answers are given one after the other, the last one for ever."""

    answers: list[Answer]
    ca_file: Path
    port: int = 0
    seen: list[Seen] = field(default_factory=list)

    def profile(self, **changes: object) -> Profile:
        fields: dict[str, object] = {
            "endpoint": f"https://127.0.0.1:{self.port}",
            "access_key": ACCESS_KEY,
            "secret_key": SecretStr(SECRET_KEY),
            "ca_file": self.ca_file,
        }
        return Profile.model_validate(fields | changes)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append(seen_request(scope, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        headers = [(name.encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def seen_request(scope: dict[str, Any], body: bytes) -> Seen:
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    path, query = scope["raw_path"].decode(), scope["query_string"].decode()
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = SdkRequest(
        method=scope["method"],
        schema="https",
        host=headers["host"],
        resource_path=path,
        query_params=parse_qsl(query, keep_blank_values=True),
        header_params={name: headers[name] for name in signed},
        body=body,
    )
    expected = Signer(BasicCredentials(ACCESS_KEY, SECRET_KEY, "p")).sign(request).header_params["Authorization"]
    return Seen(scope["method"], path, query, headers, body, is_genuine=expected == headers["authorization"])


def write_certificates(folder: Path, names: Sequence[str]) -> None:
    now = datetime.now(UTC)
    authority = make_authority(now=now)
    certificate = make_server_certificate(authority, names, now=now)
    for name, data in (
        ("ca.pem", authority.certificate_pem),
        ("server.pem", certificate.certificate_pem),
        ("server.key", certificate.key_pem),
    ):
        (folder / name).write_bytes(data)


@asynccontextmanager
async def serving(
    folder: Path,
    answers: Sequence[Answer],
    *,
    names: Sequence[str] = ("127.0.0.1",),
    date: bool = True,
    port: int = 0,
    keeps_authority: bool = False,
) -> AsyncIterator[ApiServer]:
    """date: whether answers carry the server's time. keeps_authority: of a server that was there before."""
    if not keeps_authority:
        write_certificates(folder, names)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        api = ApiServer(list(answers), folder / "ca.pem", port=listening.getsockname()[1])
        server = uvicorn.Server(
            uvicorn.Config(
                api,
                ssl_certfile=folder / "server.pem",
                ssl_keyfile=str(folder / "server.key"),
                log_level="critical",
                lifespan="off",
                date_header=date,
            )
        )
        serve = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield api
        finally:
            server.should_exit = True
            await serve
