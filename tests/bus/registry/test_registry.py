"""The registry on a real bus, with agents that are nothing but their messages."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.feasibility import Check, FeasibilityReport
from contracts.inventory import OperatingSystem, SourceInventory
from contracts.messages.agent import AgentHeartbeat, AgentInventory, AgentRegistered
from contracts.messages.feasibility import FeasibilityChecked
from contracts.messages.identity import RefuseAgent
from contracts.messages.registry import (
    DeleteServer,
    ListServers,
    ServerClashed,
    ServerConnected,
    ServerDeleted,
    ServerDetails,
    ServerDisconnected,
    ServerList,
    ServerRefused,
    ServerRegistered,
    ServerUpdated,
    ServerView,
    ShowServer,
)
from contracts.messages.reply import Accepted
from contracts.messages.task import Phase, TaskChanged, TaskCreated
from services.registry.bootstrap import COLLECTIONS, wire
from services.registry.settings import RegistrySettings
from shared.service import ServiceContext
from tests.bus.conftest import eventually

EVENTS: dict[str, type[Message]] = {
    "registered": ServerRegistered,
    "updated": ServerUpdated,
    "connected": ServerConnected,
    "disconnected": ServerDisconnected,
    "clashed": ServerClashed,
    "refused": ServerRefused,
    "deleted": ServerDeleted,
}


def inventory(hostname: str = "orders", **changed: object) -> SourceInventory:
    values: dict[str, object] = {
        "hostname": hostname,
        "architecture": "x86_64",
        "firmware": "BIOS",
        "operating_system": OperatingSystem(id="debian"),
    }
    return SourceInventory.model_validate(values | changed)


class World:
    """Everything around the registry: agents, the other services, a user."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.news = asyncio.Event()

    async def wire(self, context: ServiceContext) -> None:
        self.context = context

        def hearer(word: str):
            async def hear(message: Message, envelope: Envelope) -> None:
                self.heard.append((word, message))
                self.news.set()

            return hear

        for word, model in EVENTS.items():
            context.bus.on_event(subjects.evt_filter("server", word), model, hearer(word))
        context.bus.on_command(subjects.cmd("identity", "refuse-agent"), RefuseAgent, hearer("refuse-agent"))

    def words(self) -> list[str]:
        return [word for word, _ in self.heard]

    async def until(self, *words: str) -> None:
        async with asyncio.timeout(15):
            while not set(words) <= set(self.words()):
                self.news.clear()
                await self.news.wait()

    async def publish(self, subject: str, stream: str, message: Message, **attributes: object) -> None:
        envelope = Envelope.of(message, source="/test", account=subject.split(".")[3], **attributes)  # type: ignore[arg-type]
        data, headers = message.model_dump_json().encode(), envelope.headers()
        if stream:
            await self.context.bus.jetstream.publish(subject, data, stream=stream, headers=headers)
        else:
            await self.context.bus._client().publish(subject, data, headers=headers)

    async def register(
        self, server_id: str, found: SourceInventory | None = None, session_id: str = "a", **more: object
    ) -> None:
        message = AgentRegistered(role="source", session_id=session_id, inventory=found or inventory())
        subject = subjects.agent_status("acme", server_id, "registered")
        await self.publish(subject, "AGENT", message, **{"id": f"{server_id}-{uuid.uuid4().hex}", **more})

    async def beat(self, server_id: str, session_id: str = "a") -> None:
        message = AgentHeartbeat(role="source", session_id=session_id)
        subject = subjects.agent_status("acme", server_id, "heartbeat")
        await self.publish(subject, "", message, id=f"{server_id}-{uuid.uuid4().hex}")

    async def event(self, aggregate: str, identifier: str, what: str, message: Message) -> None:
        await self.publish(subjects.evt("acme", aggregate, identifier, what), "EVT", message)

    async def servers(self, account: str = "acme") -> tuple[ServerView, ...]:
        listed = await self.context.bus.request(
            subjects.req("registry", "list"), ListServers(), ServerList, account=account
        )
        assert listed.count == len(listed.servers)
        return listed.servers

    async def show(self, server_id: str) -> ServerDetails:
        return await self.context.bus.request(
            subjects.req("registry", "show"), ShowServer(server_id=server_id), ServerDetails, account="acme"
        )

    async def delete(self, server_id: str) -> None:
        message = DeleteServer(server_id=server_id)
        await self.context.bus.request(subjects.req("registry", "delete"), message, Accepted, account="acme")

    async def shown(self, server_id: str, **wanted: object) -> ServerDetails:
        """Ask until the server is as wanted."""
        async with asyncio.timeout(15):
            while True:
                details = await self.show(server_id)
                if all(getattr(details.server, name) == value for name, value in wanted.items()):
                    return details
                await asyncio.sleep(0.02)


def settings(bench, **changed: object) -> RegistrySettings:
    values = {"silence_s": 60, "silence_check_interval_s": 0.05} | changed
    return RegistrySettings.model_validate(bench.settings("registry").model_dump() | values)


@asynccontextmanager
async def registry(bench, **changed: object) -> AsyncIterator[World]:
    world = World()
    async with (
        bench.running("identity", world.wire),
        bench.running(settings(bench, **changed), wire, COLLECTIONS),
    ):
        yield world


async def test_an_agent_that_registers_makes_a_connected_server(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.until("registered", "connected")
        (server,) = await world.servers()
        assert (server.id, server.name, server.state, server.is_connected) == ("s1", "orders", "waiting", True)
        assert (await world.show("s1")).inventory == inventory()
        assert await world.servers("other") == ()
        with pytest.raises(MigrationError, match="SERVER_NOT_FOUND"):
            await world.show("s2")


async def test_a_restarted_agent_updates_its_server_and_says_so_only_when_something_changed(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.register("s1", session_id="b")
        await world.register("s1", inventory("renamed"), session_id="c")
        await world.until("updated")
        status = AgentInventory(session_id="c", inventory=inventory("again"))
        subject = subjects.agent_status("acme", "s1", "inventory")
        await world.publish(subject, "AGENT", status, id="s1-x")
        await world.shown("s1", name="again")
        await eventually(lambda: world.words().count("updated") == 2)
        await asyncio.sleep(0.3)
        assert sorted(world.words()) == ["connected", "registered", "updated", "updated"]


async def test_silence_disconnects_and_a_heartbeat_connects_again(bench) -> None:
    async with registry(bench, silence_s=0.4) as world:
        await world.register("s1")
        await world.until("disconnected")
        assert not (await world.show("s1")).server.is_connected
        await world.beat("s1")
        await eventually(lambda: world.words().count("connected") == 2)


async def test_connected_servers_stay_connected_over_a_restart_of_the_registry(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.until("connected")
    async with registry(bench, silence_s=0.5) as world:
        assert (await world.show("s1")).server.is_connected
        await world.beat("s1", "b")
        assert (await world.show("s1")).server.is_connected
        await world.until("disconnected")


async def test_a_status_kept_while_the_registry_was_away_connects_nobody(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.until("connected")
    async with registry(bench, silence_s=0.2) as world:
        await world.until("disconnected")
        old = datetime.now(UTC) - timedelta(hours=1)
        await world.register("s1", inventory("renamed"), time=old)
        details = await world.shown("s1", name="renamed")
        assert not details.server.is_connected


async def test_two_agents_with_one_id_are_both_refused(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.until("connected")
        for session_id in ("a", "b"):
            await world.beat("s1", session_id)
        await asyncio.sleep(2.2)
        await world.beat("s1", "a")
        await world.until("clashed", "refuse-agent")
        details = await world.shown("s1", clash=True)
        assert (details.server.state, details.server.is_connected) == ("unavailable", False)
        command = next(message for word, message in world.heard if word == "refuse-agent")
        assert isinstance(command, RefuseAgent)
        assert (command.agent_id, command.refuse_s) == ("s1", 600)
        assert command.reason.startswith("SMS.AGENT.CLASH")
        await world.beat("s1", "b")
        await asyncio.sleep(0.2)
        assert not (await world.show("s1")).server.is_connected


async def test_registration_beyond_the_quota_is_refused_with_both_figures(bench) -> None:
    async with registry(bench, server_quota=2) as world:
        for server_id in ("s1", "s2"):
            await world.register(server_id)
        async with asyncio.timeout(10):
            while len(await world.servers()) != 2:
                await asyncio.sleep(0.02)
        await world.register("s3", inventory("third"))
        await world.until("refused", "refuse-agent")
        refused = next(message for word, message in world.heard if word == "refused")
        assert isinstance(refused, ServerRefused)
        assert refused.failure.code == "SMS.REGISTRY.QUOTA"
        assert (refused.failure.parameters["count"], refused.failure.parameters["limit"]) == ("2", "2")
        assert [server.id for server in await world.servers()] == ["s1", "s2"]
        await world.delete("s1")
        await world.register("s3", inventory("third"))
        await world.shown("s2", is_connected=True)
        async with asyncio.timeout(10):
            while [server.id for server in await world.servers()] != ["s2", "s3"]:
                await asyncio.sleep(0.02)


async def test_reports_and_tasks_show_on_the_server_and_a_task_keeps_it_from_being_deleted(bench) -> None:
    async with registry(bench) as world:
        await world.register("s1")
        await world.until("registered")
        check = Check(id="firmware", name="Firmware", result="ERROR", code="SMS.X")
        report = FeasibilityReport(result="ERROR", checks=(check,))
        await world.event("server", "s1", "feasibility-checked", FeasibilityChecked(server_id="s1", report=report))
        details = await world.shown("s1", checks="ERROR", state="unavailable")
        assert details.feasibility == report
        await world.event("task", "t1", "created", TaskCreated(task_id="t1", server_id="s1"))
        await world.shown("s1", task_id="t1", state="waiting")
        moved = TaskChanged(
            task_id="t1", server_id="s1", version=3, event="x", from_phase=Phase.READY, to_phase=Phase.COPYING
        )
        await world.event("task", "t1", "changed", moved)
        await world.shown("s1", state="replicate")
        with pytest.raises(MigrationError, match="SERVER_BUSY"):
            await world.delete("s1")
        ended = moved.model_copy(update={"version": 4, "to_phase": Phase.FINISHED})
        await world.event("task", "t1", "changed", ended)
        await world.shown("s1", state="finished")
        await world.delete("s1")
        await world.until("deleted")
        assert await world.servers() == ()


async def test_a_machine_that_was_reinstalled_is_proposed_and_not_merged(bench) -> None:
    fingerprint = {"dmi_uuid": "d", "mac_set": "m", "machine_id": "old"}
    async with registry(bench) as world:
        await world.register("s1", inventory(fingerprint=fingerprint))
        await world.until("registered")
        await world.register("s2", inventory(fingerprint=fingerprint | {"machine_id": "new"}))
        async with asyncio.timeout(10):
            while len(servers := await world.servers()) != 2:
                await asyncio.sleep(0.02)
        assert [server.may_be_same_as for server in servers] == [(), ("s1",)]
