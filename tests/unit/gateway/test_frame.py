"""The access log names the request and holds nothing that it carried."""

from __future__ import annotations

import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from services.gateway.api.frame import Frame


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_query_headers_and_body_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transport = httpx.ASGITransport(app=Frame(app))
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as client:
        headers = {"Authorization": "SDK-HMAC-SHA256 canary-header"}
        answer = await client.post("/v3/x?token=canary-query", content="canary-body", headers=headers)
    said = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name == "sms")
    assert "request served" in said
    assert answer.headers["x-request-id"] in said
    assert "canary" not in said
