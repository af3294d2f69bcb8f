"""Core request/reply."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from contracts import subjects
from contracts.base import Message, MessageKind
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.platform import STORE_DUPLICATE
from contracts.messages.reply import Accepted, HealthReply, HealthRequest
from shared.service import ServiceContext


class Rename(Message):
    TYPE: ClassVar[str] = "test.rename"
    KIND: ClassVar[MessageKind] = "request"
    name: str


class RenameWithoutName(Message):
    TYPE: ClassVar[str] = "test.rename"
    VERSION: ClassVar[int] = 2
    KIND: ClassVar[MessageKind] = "request"


SUBJECT = subjects.req("registry", "rename")


async def test_a_request_is_answered_with_account_and_correlation_of_its_cause(bench) -> None:
    seen: list[Envelope] = []

    async def rename(message: Rename, envelope: Envelope) -> Accepted:
        seen.append(envelope)
        return Accepted(id=message.name)

    async def wire(context: ServiceContext) -> None:
        context.bus.on_request(SUBJECT, Rename, rename)

    async with bench.running("registry", wire), bench.running("task") as caller:
        cause = Envelope(type="x", version=1, source="/cli", account="acme", correlation_id="c1", actor="ak1")
        reply = await caller.bus.request(SUBJECT, Rename(name="a"), Accepted, cause=cause)
        assert reply.id == "a"
        assert (seen[0].account, seen[0].correlation_id, seen[0].causation_id) == ("acme", "c1", cause.id)
        assert seen[0].actor == "ak1"
        assert seen[0].subject == SUBJECT


async def test_a_failure_travels_with_its_code_and_an_unknown_one_hides_its_text(bench) -> None:
    async def rename(message: Rename, envelope: Envelope) -> Accepted:
        if message.name == "taken":
            raise MigrationError(STORE_DUPLICATE, collection="servers", id="s1", rule="name")
        raise RuntimeError("password=hunter2")

    async def wire(context: ServiceContext) -> None:
        context.bus.on_request(SUBJECT, Rename, rename)

    async with bench.running("registry", wire), bench.running("task") as caller:
        with pytest.raises(MigrationError) as refused:
            await caller.bus.request(SUBJECT, Rename(name="taken"), Accepted)
        assert refused.value.code == "SMS.DB.DUPLICATE"
        with pytest.raises(MigrationError) as broken:
            await caller.bus.request(SUBJECT, Rename(name="x"), Accepted)
        assert broken.value.code == "SMS.SERVICE.INTERNAL"
        assert "hunter2" not in broken.value.failure.model_dump_json()
        with pytest.raises(MigrationError) as invalid:
            await caller.bus.request(SUBJECT, RenameWithoutName(), Accepted)
        assert invalid.value.code == "SMS.REQUEST.INVALID"


async def test_a_missing_service_and_a_missing_bus_have_codes_of_their_own(bench) -> None:
    async with bench.running("task") as caller:
        with pytest.raises(MigrationError) as nobody:
            await caller.bus.request(SUBJECT, Rename(name="x"), Accepted, 1)
        assert nobody.value.code == "SMS.SERVICE.UNAVAILABLE"
        bench.server.kill()
        await asyncio.sleep(0.3)
        with pytest.raises(MigrationError) as away:
            await caller.bus.request(SUBJECT, Rename(name="x"), Accepted, 1)
        assert away.value.code == "SMS.BUS.UNAVAILABLE"


async def test_every_service_answers_for_its_health(bench) -> None:
    async with bench.running("registry"), bench.running("task") as caller:
        health = await caller.bus.request(subjects.req("registry", "health"), HealthRequest(), HealthReply)
        assert health.is_healthy
        assert health.service == "registry"


async def test_an_answer_goes_only_to_an_inbox(bench) -> None:
    handled: list[str] = []

    async def rename(message: Rename, envelope: Envelope) -> Accepted:
        handled.append(message.name)
        return Accepted()

    async def wire(context: ServiceContext) -> None:
        context.bus.on_request(SUBJECT, Rename, rename)

    async with bench.running("registry", wire), bench.running("task") as caller:
        client = caller.bus._client()
        request = Rename(name="hostile")
        headers = Envelope.of(request, source="/x", account="a").headers()
        await client.publish(
            SUBJECT, request.model_dump_json().encode(), reply="sms.v1.cmd.task.delete", headers=headers
        )
        await caller.bus.request(SUBJECT, Rename(name="honest"), Accepted)
        assert handled == ["honest"]


async def test_a_service_that_stops_answers_what_it_was_asked_before(bench) -> None:
    under_way = asyncio.Event()

    async def rename(message: Rename, envelope: Envelope) -> Accepted:
        under_way.set()
        await asyncio.sleep(0.3)
        return Accepted(id=message.name)

    async def wire(context: ServiceContext) -> None:
        context.bus.on_request(SUBJECT, Rename, rename, workers=2)

    async with bench.running("task") as caller:
        async with bench.running("registry", wire):
            asked = [
                asyncio.create_task(caller.bus.request(SUBJECT, Rename(name=str(number)), Accepted, account="acme"))
                for number in range(4)
            ]
            await under_way.wait()
        assert [reply.id for reply in await asyncio.gather(*asked)] == ["0", "1", "2", "3"]


async def test_no_more_requests_are_handled_at_a_time_than_there_are_workers(bench) -> None:
    at_once = most = 0

    async def rename(message: Rename, envelope: Envelope) -> Accepted:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return Accepted(id=message.name)

    async def wire(context: ServiceContext) -> None:
        context.bus.on_request(SUBJECT, Rename, rename, workers=3)

    async with bench.running("registry", wire), bench.running("task") as caller:
        asked = [
            caller.bus.request(SUBJECT, Rename(name=str(number)), Accepted, account="acme") for number in range(12)
        ]
        await asyncio.gather(*asked)
        assert most == 3
