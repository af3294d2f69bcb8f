"""A change happens once: repeats, concurrent repeats, crashes, keys, secrets, a store that is away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.messages.api import ApiRequestRecorded
from contracts.subjects import req
from shared.service import ServiceContext
from tests.bus.conftest import Bench, eventually
from tests.bus.gateway.conftest import REPOSITORY, GatewayBench
from tests.bus.gateway.things import Made, Make
from tests.servers import is_listening, wait_until

SECRET = "the-secret-that-is-shown-once"  # noqa: S105 - of the test


class Effects:
    """A service that makes a thing once per key, counts how often it was asked, and can be slow."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.made: dict[tuple[str, str], str] = {}
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.trace: list[tuple[str, ApiRequestRecorded]] = []

    async def wire(self, context: ServiceContext) -> None:
        context.bus.on_request(req("effects", "make"), Make, self.make)
        context.bus.on_event("sms.v1.audit.*.api-request", ApiRequestRecorded, self.hear)

    async def make(self, request: Make, envelope: Envelope) -> Made:
        self.asked.append(request.idempotency_key)
        if request.name == "nobody":
            raise MigrationError(SERVER_NOT_FOUND, server_id="nobody")
        key = (envelope.account, request.idempotency_key)
        identifier = self.made.setdefault(key, f"thing-{len(self.made)}")
        await self.may_answer.wait()
        return Made(id=identifier, secret=SECRET)

    async def hear(self, message: ApiRequestRecorded, envelope: Envelope) -> None:
        self.trace.append((envelope.account, message))

    def traced(self, operation: str) -> list[tuple[str, str, str, int, str]]:
        return [
            (account, record.user_name, record.outcome, record.status, record.resource)
            for account, record in self.trace
            if record.operation == operation
        ]


@pytest.fixture
async def effects(bench: Bench) -> AsyncIterator[Effects]:
    effects = Effects()
    async with bench.running("effects", effects.wire):
        yield effects


def signed(client: httpx.AsyncClient, path: str, name: str, key: str = "") -> httpx.Request:
    """A request that can be sent again as it is."""
    headers = {"X-Sms-Idempotency-Key": key} if key else {}
    request = client.build_request("POST", path, json={"name": name}, headers=headers)
    assert client.auth is not None
    client.auth.sign(request)  # type: ignore[attr-defined]
    return request


async def test_a_repeated_signature_gets_the_first_answer_and_no_second_effect(
    gateway: GatewayBench, effects: Effects
) -> None:
    async with gateway.client() as client:
        request = signed(client, "/v3/things", "a")
        answers = [await client.send(request, auth=None) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert {answer.content for answer in answers} == {b'{"id":"thing-0"}'}
    assert len(effects.asked) == 1
    await eventually(lambda: effects.traced("create_thing") == [("default", "owner", "done", 201, "thing:thing-0")])


async def test_concurrent_repeats_wait_for_the_first(gateway: GatewayBench, effects: Effects) -> None:
    effects.may_answer.clear()
    async with gateway.client() as client:
        request = signed(client, "/v3/things", "a")
        sent = [asyncio.create_task(client.send(request, auth=None)) for _ in range(10)]
        await eventually(lambda: len(effects.asked) == 1)
        await asyncio.sleep(0.2)
        effects.may_answer.set()
        answers = await asyncio.gather(*sent)
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, b'{"id":"thing-0"}')}
    assert len(effects.asked) == 1


async def test_a_key_of_the_client_makes_a_newly_signed_request_a_repeat(
    gateway: GatewayBench, effects: Effects
) -> None:
    async with gateway.client() as client, gateway.client("AKOTHER") as other:
        first = await client.post("/v3/things", json={"name": "a"}, headers={"X-Sms-Idempotency-Key": "k1"})
        await asyncio.sleep(1.1)  # a new second, a new signature
        again = await client.post("/v3/things", json={"name": "a"}, headers={"X-Sms-Idempotency-Key": "k1"})
        different = await client.post("/v3/things", json={"name": "b"}, headers={"X-Sms-Idempotency-Key": "k1"})
        foreign = await other.post("/v3/things", json={"name": "b"}, headers={"X-Sms-Idempotency-Key": "k1"})
        bad = await client.post("/v3/things", json={"name": "b"}, headers={"X-Sms-Idempotency-Key": "k" * 129})
    assert first.request.headers["authorization"] != again.request.headers["authorization"]
    assert (first.content, again.content) == (b'{"id":"thing-0"}', b'{"id":"thing-0"}')
    assert (different.status_code, different.json()["error_code"]) == (422, "SMS.API.KEY_REUSED")
    assert foreign.content == b'{"id":"thing-1"}'
    assert (bad.status_code, bad.json()["error_code"]) == (400, "SMS.API.INVALID_REQUEST")


async def test_a_refusal_is_an_answer_and_is_repeated(gateway: GatewayBench, effects: Effects) -> None:
    async with gateway.client() as client:
        request = signed(client, "/v3/things", "nobody")
        answers = [await client.send(request, auth=None) for _ in range(2)]
        unreadable = await client.post("/v3/things", json={"name": 5})
    assert [answer.json()["error_code"] for answer in answers] == ["SMS.REGISTRY.SERVER_NOT_FOUND"] * 2
    assert answers[0].content == answers[1].content
    assert len(effects.asked) == 1
    assert unreadable.json()["error_code"] == "SMS.API.INVALID_REQUEST"
    assert "name" in unreadable.json()["cause"]
    await eventually(lambda: len(effects.traced("create_thing")) == 2)
    assert {outcome for _, _, outcome, _, _ in effects.traced("create_thing")} == {"refused"}


async def test_a_gateway_that_is_killed_before_its_answer_asks_again_with_the_same_key(
    bench: Bench, tmp_path: Path, effects: Effects
) -> None:
    gateway = GatewayBench(bench, tmp_path)
    await gateway.start_identity()
    effects.may_answer.clear()
    async with gateway.client() as client:
        request = signed(client, "/v3/things", "a")
        process = start_process(gateway)
        lost = asyncio.create_task(client.send(request, auth=None))
        await eventually(lambda: len(effects.asked) == 1)
        process.kill()
        process.wait()
        with pytest.raises(httpx.TransportError):
            await lost
        effects.may_answer.set()
        process = start_process(gateway)
        answer = await client.send(request, auth=None)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0
    await gateway.stop_identity()
    assert (answer.status_code, answer.content) == (201, b'{"id":"thing-0"}')
    assert len(effects.asked) == 2
    assert len(set(effects.asked)) == 1


def start_process(gateway: GatewayBench) -> subprocess.Popen[bytes]:
    """The gateway as a process of its own, with the test's routes."""
    names = ("bus_url", "store_url", "listen", "certificate_file", "key_file", "claim_s")
    environment = {f"SMS_GATEWAY_{name.upper()}": str(getattr(gateway.settings, name)) for name in names}
    with (gateway.folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bus.gateway.things"],
            cwd=REPOSITORY,
            env={"PATH": os.defpath, **environment},
            stderr=log,
        )
    wait_until(lambda: is_listening(gateway.port), what="the gateway's process")
    return process


async def test_a_failure_of_unknown_outcome_is_not_kept(gateway: GatewayBench, bench: Bench) -> None:
    async with gateway.client() as client:
        request = signed(client, "/v3/things", "a")
        failed = await client.send(request, auth=None)
        effects = Effects()
        async with bench.running("effects", effects.wire):
            answer = await client.send(request, auth=None)
            await eventually(lambda: len(effects.traced("create_thing")) == 2)
    assert (failed.status_code, failed.json()["error_code"]) == (503, "SMS.SERVICE.UNAVAILABLE")
    assert answer.status_code == 201
    assert [entry[2] for entry in effects.traced("create_thing")] == ["failed", "done"]


async def test_an_answer_with_a_secret_is_given_once_and_stored_never(gateway: GatewayBench, effects: Effects) -> None:
    async with gateway.client() as client:
        request = signed(client, "/v3/secrets", "a")
        first, second = [await client.send(request, auth=None) for _ in range(2)]
    assert first.json() == {"id": "thing-0", "secret": SECRET}
    assert (second.status_code, second.json()["error_code"]) == (409, "SMS.API.ANSWER_NOT_KEPT")
    assert len(effects.asked) == 1
    stored = b"".join(path.read_bytes() for path in gateway.folder.glob("gateway.sqlite*"))
    assert b"thing-0" in stored, "the trace names what was made"
    assert SECRET.encode() not in stored


async def test_without_its_store_nothing_is_changed(gateway: GatewayBench, effects: Effects) -> None:
    await gateway.context.store.close()
    async with gateway.client() as client:
        answer = await client.post("/v3/things", json={"name": "a"})
        query = await client.get("/v3")
    assert (answer.status_code, answer.json()["error_code"]) == (503, "SMS.DB.UNAVAILABLE")
    assert effects.asked == []
    assert query.status_code == 200


async def test_denials_are_traced_where_they_belong(gateway: GatewayBench, effects: Effects) -> None:
    async with gateway.client("AKREADER") as reader, gateway.client("AKNOBODY") as nobody:
        denied = await reader.post("/v3/things", json={"name": "a"})
        unknown = await nobody.post("/v3/things", json={"name": "a"})
    assert (denied.status_code, denied.json()["error_code"]) == (403, "SMS.API.DENIED")
    assert unknown.status_code == 401
    await eventually(lambda: len(effects.trace) == 2)
    assert effects.traced("create_thing") == [
        ("default", "reader", "denied", 403, "thing:*"),
        ("system", "", "denied", 401, "thing:*"),
    ]
    [record] = [record for account, record in effects.trace if account == "system"]
    assert (record.access_key, record.source_address) == ("AKNOBODY", "127.0.0.1")
    assert effects.asked == []


async def test_a_body_beyond_the_limit_is_refused_before_it_is_hashed(gateway: GatewayBench) -> None:
    async with gateway.client() as client:
        answer = await client.post("/v3/things", content=json.dumps({"name": "x" * 5000}))
        chunked = await client.post("/v3/things", content=_parts(), auth=None)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "SMS.API.TOO_LARGE")
    assert (chunked.status_code, chunked.json()["error_code"]) == (413, "SMS.API.TOO_LARGE")


async def _parts() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b"x" * 100
