"""Bytes that no client library sends: smuggling, folding, slowness, size."""

from __future__ import annotations

import asyncio
import json
import ssl
import time

import pytest

from tests.bus.gateway.conftest import GatewayBench


async def send(gateway: GatewayBench, *parts: bytes, pause_s: float = 0) -> list[tuple[int, str]]:
    """Write the parts to one connection and read until the other side closes it: status and code of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=gateway.tls())
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        received = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        received = b""
    finally:
        writer.close()
    return answers(received)


def answers(received: bytes) -> list[tuple[int, str]]:
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        lengths = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")]
        body, received = rest[: lengths[0]], rest[lengths[0] :]
        found.append((int(lines[0].split()[1]), json.loads(body)["error_code"]))
    return found


HEAD = b"POST /v3/things HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
pytestmark = pytest.mark.asyncio(loop_scope="module")
INVALID = (400, "SMS.API.INVALID_REQUEST")


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        HEAD + b"Content-Length: 5, 5\r\n\r\nabcde",
        HEAD + b"Content-Length: +5\r\n\r\nabcde",
        HEAD + b"Content-Length: 0x5\r\n\r\nabcde",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length : 5\r\n\r\nabcde",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;\x00\r\nabcde\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcde\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\nabcde\n0\n\n",
        HEAD + b"Host: other.example.org\r\n\r\n",
        HEAD + b"Authorization: a\r\nAuthorization: b\r\n\r\n",
        HEAD + b"X-Folded: a\r\n b\r\n\r\n",
        HEAD + b"X-Sdk-Date: 20260304\r\n\tT050607Z\r\n\r\n",
        HEAD + b" X-Leading: a\r\n\r\n",
        HEAD + b"X-Null: a\x00b\r\n\r\n",
        HEAD + b"X-Return: a\rb\r\n\r\n",
        HEAD + b"No-Colon\r\n\r\n",
        HEAD + b"X Space: a\r\n\r\n",
        HEAD + b": empty\r\n\r\n",
        b"POST /v3/things HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"POST https://other.example.org/v3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT other.example.org:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"post /v3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"SMUGGLE /v3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /v3 HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /v3\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v3 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        HEAD + b"".join(b"X-Header-%d: a\r\n" % number for number in range(100)) + b"\r\n",
        HEAD + b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
async def test_what_two_readers_could_read_in_two_ways_is_refused_and_the_connection_closed(
    shared_gateway: GatewayBench, request_bytes: bytes
) -> None:
    assert await send(shared_gateway, request_bytes) == [INVALID]


async def test_a_second_request_behind_a_refused_one_is_not_read(shared_gateway: GatewayBench) -> None:
    smuggled = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    both = HEAD.replace(b"Connection: close\r\n", b"") + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await send(shared_gateway, both + b"0\r\n\r\n" + smuggled) == [INVALID]


async def test_requests_in_a_row_on_one_connection_get_an_answer_each(shared_gateway: GatewayBench) -> None:
    one = b"GET /v3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    last = b"GET /v3 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert await send(shared_gateway, one + one + last) == [(401, "SMS.API.UNSIGNED")] * 3


async def test_a_header_that_is_no_text_is_refused(shared_gateway: GatewayBench) -> None:
    assert await send(shared_gateway, HEAD + b"X-Latin: \xe4\r\n\r\n") == [INVALID]


@pytest.mark.parametrize(
    "slow",
    [
        [b"G", b"E", b"T", b" ", b"/", b" ", b"H", b"T"],
        [b"GET /v3 HTTP/1.1\r\n", *[b"X-A: a\r\n"] * 8],
        [HEAD + b"Content-Length: 100\r\n\r\n", *[b"a"] * 10],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 10],
    ],
)
async def test_a_slow_request_is_cut_off(shared_gateway: GatewayBench, slow: list[bytes]) -> None:
    started = time.monotonic()
    assert await send(shared_gateway, *slow, pause_s=0.25) == []
    assert time.monotonic() - started < 4


async def test_a_connection_that_says_nothing_is_cut_off(shared_gateway: GatewayBench) -> None:
    assert await asyncio.wait_for(send(shared_gateway), 30) == []
    silent, writer = await asyncio.open_connection("127.0.0.1", shared_gateway.port)
    assert await asyncio.wait_for(silent.read(), 30) == b"", "no TLS handshake ever came"
    writer.close()


async def test_old_tls_is_refused_and_plain_http_has_no_answer(shared_gateway: GatewayBench) -> None:
    old = ssl.create_default_context(cafile=str(shared_gateway.ca_file))
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", shared_gateway.port, ssl=old)
    reader, writer = await asyncio.open_connection("127.0.0.1", shared_gateway.port)
    writer.write(HEAD + b"\r\n")
    assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_every_answer_forbids_what_a_browser_could_do_with_it(shared_gateway: GatewayBench) -> None:
    async with shared_gateway.client() as client:
        answer = await client.get("/")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers
