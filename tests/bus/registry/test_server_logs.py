"""The logs of agents: collected from a real agent over a secured bus, and refused from hostile ones."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zstandard
from nats.aio.msg import Msg

from agents.session import keep_log
from agents.session.agent_log import log_chunks
from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.agent import AgentRegistered, CommandAcknowledged
from contracts.messages.agent_log import LOG_CHUNK_BYTES, LOG_TEXT_BYTES, AgentLogChunk, CollectLog
from contracts.messages.registry import DeleteServer
from contracts.messages.reply import Accepted
from contracts.messages.server_log import (
    CollectServerLog,
    ListServerLogs,
    ReadServerLog,
    ServerLogCollected,
    ServerLogList,
    ServerLogPart,
    ServerLogView,
)
from services.registry.bootstrap import COLLECTIONS, wire
from services.registry.settings import RegistrySettings
from shared.service import ServiceContext
from tests.bus.conftest import Bench
from tests.bus.identity.secure_bus import SecureBus, ask
from tests.bus.identity.sessions import access_key, connected, session_of
from tests.bus.registry.test_registry import World, inventory, settings

CANARY = "AK0123456789ABCDEF01"
BOMB = zstandard.ZstdCompressor().compress(bytes(64 << 20))


class Agents(World):
    """Agents that are nothing but their messages: they take the command, and send what a test wants."""

    async def wire(self, context: ServiceContext) -> None:
        await super().wire(context)
        self.commands: list[CollectLog] = []

        async def hear(message: ServerLogCollected, _: Envelope) -> None:
            self.heard.append(("log-collected", message))
            self.news.set()

        context.bus.on_event(subjects.evt_filter("server", "log-collected"), ServerLogCollected, hear)

    async def take_commands(self, server_id: str = "s1") -> None:
        client = self.context.bus._client()

        async def take(raw: Msg) -> None:
            command = CollectLog.model_validate_json(raw.data)
            self.commands.append(command)
            reply = CommandAcknowledged(task_id="", epoch=command.epoch)
            headers = Envelope.of(reply, source="/agents/s1", account="acme").headers()
            await client.publish(raw.reply, reply.model_dump_json().encode(), headers=headers)

        await client.subscribe(subjects.agent_command("acme", server_id, CollectLog.VERB), cb=take)
        await client.flush()

    async def collect(self, key: str = "", server_id: str = "s1") -> str:
        message = CollectServerLog(server_id=server_id, idempotency_key=key)
        return (await self.context.bus.request(REQUEST, message, Accepted, account="acme")).id

    async def send(self, *chunks: AgentLogChunk, server_id: str = "s1") -> None:
        for chunk in chunks:
            envelope_id = f"{server_id}-{hashlib.sha256(repr((chunk, id(chunk))).encode()).hexdigest()}"
            await self.publish(subjects.agent_status("acme", server_id, "log"), "AGENTLOG", chunk, id=envelope_id)

    async def ended(self, log_id: str, server_id: str = "s1") -> ServerLogView:
        async with asyncio.timeout(10):
            while True:
                (log,) = [each for each in await self.logs(server_id) if each.log_id == log_id]
                if log.state != "requested":
                    return log
                await asyncio.sleep(0.02)

    async def logs(self, server_id: str = "s1") -> tuple[ServerLogView, ...]:
        message = ListServerLogs(server_id=server_id)
        subject = subjects.req("registry", "list-logs")
        return (await self.context.bus.request(subject, message, ServerLogList, account="acme")).logs

    async def read(self, log_id: str = "", part: int = 0, account: str = "acme") -> ServerLogPart:
        message = ReadServerLog(server_id="s1", log_id=log_id, part=part)
        return await self.context.bus.request(
            subjects.req("registry", "read-log"), message, ServerLogPart, account=account
        )


REQUEST = subjects.req("registry", "collect-log")


@asynccontextmanager
async def agents(bench: Bench, **changed: object) -> AsyncIterator[Agents]:
    world = Agents()
    async with bench.running("identity", world.wire), bench.running(settings(bench, **changed), wire, COLLECTIONS):
        await world.register("s1")
        await world.until("registered")
        await world.take_commands()
        yield world


def chunk_of(log_id: str, frame: bytes, **changed: object) -> AgentLogChunk:
    values = {
        "log_id": log_id,
        "number": 0,
        "count": 1,
        "sha256": hashlib.sha256(frame).hexdigest(),
        "content": base64.b64encode(frame).decode(),
    }
    return AgentLogChunk.model_validate(values | changed)


async def test_a_log_is_collected_masked_and_read_in_parts_whatever_order_they_come_in(bench, random_source) -> None:
    lines = [f"line {number} {random_source.randbytes(40).hex()}" for number in range(16_000)]
    text = "\n".join([f"login with {CANARY}", "\x1b[31mred\x00", *lines, "last: ü"])
    async with agents(bench) as world:
        log_id = await world.collect("k")
        assert await world.collect("k") == log_id
        assert await world.collect("another") == log_id, "one at a time"
        chunks = log_chunks(log_id, text.encode())
        assert len(chunks) > 1
        await world.send(*reversed(chunks), chunks[0])
        log = await world.ended(log_id)
        assert (log.state, log.failure) == ("complete", None)
        first = await world.read()
        parts = [(await world.read(log_id, number)).text for number in range(first.parts)]
        read = "".join(parts)
        assert read.splitlines()[2:] == [*lines, "last: ü"]
        assert CANARY not in read
        assert "\x1b" not in read
        assert "\x00" not in read
        assert log.size_bytes == len(read.encode())
        await world.until("log-collected")
        with pytest.raises(MigrationError, match="LOG_NOT_FOUND"):
            await world.read(log_id, first.parts)
        with pytest.raises(MigrationError, match="SERVER_NOT_FOUND"):
            await world.read(log_id, account="other")
        assert len(world.commands) == 1
        # It is complete: what comes later changes nothing.
        await world.send(chunk_of(log_id, BOMB))
        await asyncio.sleep(0.2)
        assert (await world.read()).text == first.text


def hostile(log_id: str) -> dict[str, list[AgentLogChunk]]:
    frame = zstandard.ZstdCompressor().compress(b"hello")
    large = bytes(LOG_CHUNK_BYTES + 1)
    half = len(frame) // 2
    both = {"count": 2, "sha256": hashlib.sha256(frame).hexdigest()}
    one_too_many = zstandard.ZstdCompressor().compress(bytes(LOG_TEXT_BYTES + 1))
    return {
        "it unpacks to more than": [chunk_of(log_id, BOMB)],
        "to more than 2097152 bytes": [chunk_of(log_id, one_too_many)],
        "cannot be unpacked": [chunk_of(log_id, b"no frame at all")],
        "not what its digest says": [
            chunk_of(log_id, frame[half:], number=0, **both),
            chunk_of(log_id, frame[:half], number=1, **both),
        ],
        "came twice, with other contents": [
            chunk_of(log_id, frame[:half], number=0, **both),
            chunk_of(log_id, frame[half:], number=0, **both),
        ],
        "not of one log": [
            chunk_of(log_id, frame[:half], number=0, **both),
            chunk_of(log_id, frame[half:], number=1, count=3, sha256=both["sha256"]),
        ],
        "part 1 is not one of 1": [chunk_of(log_id, frame, number=1)],
        "part -1 is not": [chunk_of(log_id, frame, number=-1)],
        "1 to 5 are possible": [chunk_of(log_id, frame, count=6)],
        "has 524289 bytes": [chunk_of(log_id, large)],
        "is no base64": [chunk_of(log_id, frame, content="***")],
        "digest is none": [chunk_of(log_id, frame, sha256="x")],
    }


async def test_what_a_hostile_agent_sends_is_refused_with_a_code_and_leaves_nothing(bench) -> None:
    async with agents(bench, logs_per_server=3) as world:
        for number, reason in enumerate(hostile("")):
            log_id = await world.collect(f"k{number}")
            await world.send(*hostile(log_id)[reason])
            log = await world.ended(log_id)
            assert log.state == "failed"
            assert log.failure is not None
            assert log.failure.code == "SMS.REGISTRY.LOG_REFUSED"
            assert reason in log.failure.cause
            assert len(await world.logs()) <= 3
        with pytest.raises(MigrationError, match="LOG_NOT_FOUND"):
            await world.read()
        assert (await world.context.bus.jetstream.stream_info("DLQ")).state.messages == 0


async def test_a_log_that_nobody_asked_for_is_passed_over(bench) -> None:
    async with agents(bench) as world:
        await world.register("s2")
        await world.send(chunk_of("f" * 32, b"x"))
        log_id = await world.collect()
        # Another agent cannot answer for the one that was asked.
        frame = zstandard.ZstdCompressor().compress(b"forged")
        await world.send(chunk_of(log_id, frame), server_id="s2")
        await asyncio.sleep(0.3)
        assert [log.state for log in await world.logs()] == ["requested"]


async def test_an_agent_that_is_away_or_never_sends_is_reported(bench) -> None:
    async with agents(bench, log_within_s=0.3) as world:
        await world.register("s2")
        async with asyncio.timeout(10):
            while len(await world.servers()) < 2:
                await asyncio.sleep(0.02)
        for _ in range(2):
            with pytest.raises(MigrationError, match="LOG_AGENT_AWAY"):
                await world.collect("k", server_id="s2")
        log_id = await world.collect()
        await asyncio.sleep(0.4)
        log = await world.ended(log_id)
        assert log.failure is not None
        assert log.failure.code == "SMS.REGISTRY.LOG_NOT_SENT"
        assert await world.collect() != log_id
        with pytest.raises(MigrationError, match="SERVER_NOT_FOUND"):
            await world.collect(server_id="unknown")


async def test_only_the_last_logs_are_kept_and_none_of_a_deleted_server(bench) -> None:
    async with agents(bench, logs_per_server=2) as world:
        ids = []
        for number in range(4):
            ids.append(await world.collect(f"k{number}"))
            await world.send(*log_chunks(ids[-1], f"log {number}".encode()))
            assert (await world.ended(ids[-1])).state == "complete"
        assert [log.log_id for log in await world.logs()] == [ids[3], ids[2]]
        assert (await world.read()).text == "log 3"
        assert (await world.read(ids[2])).text == "log 2"
        with pytest.raises(MigrationError, match="LOG_NOT_FOUND"):
            await world.read(ids[0])
        subject = subjects.req("registry", "delete")
        await world.context.bus.request(subject, DeleteServer(server_id="s1"), Accepted, account="acme")
        await world.until("deleted")
        await asyncio.sleep(0.3)
        await world.register("s1")
        async with asyncio.timeout(10):
            while not await world.servers():
                await asyncio.sleep(0.02)
        assert await world.logs() == ()


@pytest.fixture
def secured_bus(tmp_path: Path) -> Iterator[SecureBus]:
    bus = SecureBus(tmp_path / "bus")
    bus.start_server()
    bus.start_identity()
    yield bus
    bus.kill_identity()
    bus.kill_server()


async def test_a_real_agent_sends_its_log_over_a_secured_bus(
    secured_bus: SecureBus, bench: Bench, tmp_path: Path
) -> None:
    own_bus = secured_bus
    await own_bus.wait_identity()
    credential = await access_key(own_bus)
    bus_options: dict[str, object] = {
        "bus_url": own_bus.files.url,
        "bus_ca_file": own_bus.files.ca_file,
        "bus_seed_file": own_bus.files.seed_file("registry"),
    }
    registry = RegistrySettings.model_validate(bench.settings("registry", **bus_options).model_dump())
    root = logging.getLogger()
    before = list(root.handlers), root.level
    keep_log(tmp_path / "agent")
    root.setLevel(logging.INFO)
    try:
        async with (
            bench.running(registry, wire, COLLECTIONS),
            connected(session_of(own_bus, tmp_path / "agent", credential)) as session,
        ):
            logging.getLogger("sms.agent").info("secret_key=%s of %s", "hunter2", CANARY)
            await session.publish_status(
                AgentRegistered(role="source", session_id=session.session_id, inventory=inventory())
            )
            gateway = await own_bus.service("gateway")
            request = CollectServerLog(server_id=session.agent_id, idempotency_key="k")
            async with asyncio.timeout(20):
                while True:
                    try:
                        accepted = await ask(gateway, REQUEST, request, Accepted, account=session.account)
                        break
                    except MigrationError as error:
                        assert error.code == "SMS.REGISTRY.SERVER_NOT_FOUND"  # noqa: PT017 - until it has registered
                        await asyncio.sleep(0.05)
                while True:
                    try:
                        read = ReadServerLog(server_id=session.agent_id, log_id=accepted.id)
                        subject = subjects.req("registry", "read-log")
                        part = await ask(gateway, subject, read, ServerLogPart, account=session.account)
                        break
                    except MigrationError:
                        await asyncio.sleep(0.05)
            await gateway.close()
            assert f"connected to the bus as {session.agent_id}" in part.text
            assert "secret_key=***" in part.text
            assert CANARY not in part.text
            folder = tmp_path / "agent" / "log"
            assert CANARY not in (folder / "agent.log").read_text(), "masked where it is written"
            assert (folder / "agent.log").stat().st_mode & 0o777 == 0o600
            assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        for handler in [each for each in root.handlers if each not in before[0]]:
            handler.close()
            root.removeHandler(handler)
        root.setLevel(before[1])
