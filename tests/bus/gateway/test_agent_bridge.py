"""The bridge on a real bus: what the task service and the registry see of an agent that speaks HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.agent import (
    AgentCommand,
    AgentInventory,
    AgentResult,
    ChannelEnd,
    CollectInventory,
    CommandAcknowledged,
    CopyVolumes,
    ForgetTask,
    LimitSpeed,
    MakeKey,
    RenewCertificate,
    StopWork,
)
from contracts.messages.registry import ServerDetails, ShowServer
from contracts.speed_limit import SpeedLimit, SpeedLimits
from services.gateway.adapters.agent_secrets import SealedSecrets
from services.gateway.adapters.http_agents import COLLECTIONS, AgentsOnTheBus, StoredHttpAgents
from services.gateway.adapters.services import BusServices
from services.gateway.api.call import Call
from services.gateway.bridge.commands import CommandKeeper
from services.gateway.bridge.deliveries import Deliveries
from services.gateway.bridge.desk import AgentDesk
from services.gateway.bridge.listening import AgentListener
from services.gateway.bridge.presence import Presence
from services.gateway.domain.wire.agents import PostSourceServerBody, ShowCertKeyResponse
from services.registry.bootstrap import COLLECTIONS as REGISTRY_COLLECTIONS
from services.registry.bootstrap import wire as wire_registry
from services.registry.settings import RegistrySettings
from shared.service import ServiceContext

BODY = PostSourceServerBody(
    ip="192.0.2.1", name="web", os_type="LINUX", os_version="DEBIAN_11", networks=[], agent_version="1"
)


class Gateway:
    """A replica of the gateway, as far as agents are concerned; all replicas of a bench share the store."""

    def __init__(self, bench) -> None:
        self._key_file = bench.folder / "gateway.seal"

    async def wire(self, context: ServiceContext) -> None:
        def now() -> datetime:
            return datetime.now(UTC)

        self.services = BusServices(context.bus)
        self.agents = StoredHttpAgents(context.store)
        secrets = SealedSecrets(self._key_file)
        keeper = CommandKeeper(self.agents, secrets, now)
        self.listener = AgentListener(context.bus, self.agents, keeper, refresh_s=0.1)
        presence = Presence(AgentsOnTheBus(context.bus), time.monotonic)
        self.desk = AgentDesk(self.agents, presence, self.listener.listen, now)
        self.deliveries = Deliveries(self.desk, self.agents, secrets, now)
        context.run_in_background("agents-of-http", self.listener.run)

    def call(self, user_id: str = "u1") -> Call:
        async def permission(_: str, __: tuple[str, ...]) -> bool:
            return True

        return Call(
            account="acme",
            user_id=user_id,
            user_name=user_id,
            access_key="AK",
            request_id="r",
            idempotency_key="k",
            services=self.services,
            permission=permission,
        )

    async def word(self, server_id: str) -> str:
        return (await self.desk.command(self.call(), server_id)).command_name

    async def certificate(self, task_id: str = "t1") -> ShowCertKeyResponse:
        return await self.deliveries.certificate(self.call(), task_id, wants_authority=True)


class World:
    """The task service's end: commands to agents, and what they say."""

    def __init__(self) -> None:
        self.results: list[AgentResult] = []
        self.inventories: list[AgentInventory] = []

    async def wire(self, context: ServiceContext) -> None:
        self.bus = context.bus

        async def hear_result(message: AgentResult, _: Envelope) -> None:
            self.results.append(message)

        async def hear_inventory(message: AgentInventory, _: Envelope) -> None:
            self.inventories.append(message)

        context.bus.on_event(subjects.agent_status_filter("result"), AgentResult, hear_result)
        context.bus.on_event(subjects.agent_status_filter("inventory"), AgentInventory, hear_inventory)

    async def command(self, server_id: str, command: AgentCommand) -> CommandAcknowledged:
        subject = subjects.agent_command("acme", server_id, command.VERB)
        return await self.bus.request(subject, command, CommandAcknowledged, 2, account="acme")

    async def results_of(self, verb: str, count: int) -> list[AgentResult]:
        async with asyncio.timeout(10):
            while len(found := [one for one in self.results if one.verb == verb]) < count:
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def around(bench, **registry: object) -> AsyncIterator[World]:
    world = World()
    settings = RegistrySettings.model_validate(bench.settings("registry").model_dump() | registry)
    async with bench.running("task", world.wire), bench.running(settings, wire_registry, REGISTRY_COLLECTIONS):
        yield world


@asynccontextmanager
async def gateway(bench) -> AsyncIterator[Gateway]:
    made = Gateway(bench)
    async with bench.running("gateway", made.wire, COLLECTIONS):
        yield made


def copy(epoch: int, certificate: str = "cert-1") -> CopyVolumes:
    channel = ChannelEnd(certificate_pem=certificate, authority_pem="ca")
    endpoints = (("192.0.2.9", 4433),)
    return CopyVolumes(
        task_id="t1", epoch=epoch, volumes=(), endpoints=endpoints, channel=channel, generation="g", excludes=("/tmp",)
    )


def make_key(epoch: int) -> MakeKey:
    return MakeKey(task_id="t1", epoch=epoch, role="source", account="acme")


async def test_a_command_outlives_the_gateway_and_is_done_once(bench) -> None:
    async with around(bench) as world:
        async with gateway(bench) as first:
            server_id = await first.desk.register(first.call(), BODY)
            assert (await world.command(server_id, make_key(1))).failure is None
            assert (await world.command(server_id, copy(2))).failure is None
        with pytest.raises(MigrationError, match=r"SMS\.SERVICE.UNAVAILABLE"):
            await world.command(server_id, copy(2))
        async with gateway(bench) as second:
            async with asyncio.timeout(5):
                while True:
                    try:
                        assert (await world.command(server_id, copy(2))).failure is None
                        break
                    except MigrationError:  # it has not begun to listen
                        await asyncio.sleep(0.05)
            offered = await second.desk.command(second.call(), server_id)
            assert (offered.command_name, offered.command_param.endpoints) == ("START", [("192.0.2.9", 4433)])
            assert (offered.command_param.excludes, offered.command_param.certificate) == (["/tmp"], 1)
            assert (await second.certificate()).private_key is not None
            await second.desk.report_result(second.call(), server_id, "START", has_succeeded=True, detail=None)
            await second.desk.report_result(second.call(), server_id, "START", has_succeeded=True, detail=None)
            assert [one.epoch for one in await world.results_of("copy", 1)] == [2]
            # Whoever repeats a command has not seen its result: it is said again.
            await world.command(server_id, copy(2))
            assert len(await world.results_of("copy", 2)) == 2
            assert await second.word(server_id) == "TASK_NOT_STARTED"


async def test_an_older_command_and_another_one_of_the_same_epoch_are_refused(bench) -> None:
    async with around(bench) as world, gateway(bench) as one:
        server_id = await one.desk.register(one.call(), BODY)
        await world.command(server_id, copy(5))
        stop = StopWork(task_id="t1", epoch=5)
        for stale in (copy(4), stop):
            refused = await world.command(server_id, stale)
            assert refused.failure is not None
            assert refused.failure.code == "SMS.AGENT.STALE_COMMAND"
        assert await one.word(server_id) == "START"
        await world.command(server_id, stop.model_copy(update={"epoch": 6}))
        assert await one.word(server_id) == "STOP"


async def test_replicas_share_the_agents_and_each_command_reaches_one_of_them(bench) -> None:
    async with around(bench) as world, gateway(bench) as first, gateway(bench) as second:
        server_id = await first.desk.register(first.call(), BODY)
        async with asyncio.timeout(5):
            while ("acme", server_id) not in second.listener._ends:
                await asyncio.sleep(0.02)
        for epoch in range(1, 9):
            assert (await world.command(server_id, make_key(epoch))).failure is None
        results = await world.results_of("make-key", 8)
        assert sorted(one.epoch for one in results) == list(range(1, 9))
        # A key that nobody has fetched stays the same, whichever replica is asked.
        assert len({one.csr_pem for one in results}) == 1
        await second.desk.forget("acme", server_id)
        async with asyncio.timeout(5):
            while first.listener._ends or second.listener._ends:
                await asyncio.sleep(0.02)
        with pytest.raises(MigrationError, match=r"SMS\.SERVICE.UNAVAILABLE"):
            await world.command(server_id, make_key(9))


async def test_a_renewed_certificate_comes_without_the_key_and_a_new_key_is_another_one(bench) -> None:
    async with around(bench) as world, gateway(bench) as one:
        server_id = await one.desk.register(one.call(), BODY)
        await world.command(server_id, make_key(1))
        with pytest.raises(MigrationError, match="NO_CERTIFICATE"):
            await one.certificate()
        await world.command(server_id, copy(2))
        first = await one.certificate()
        with pytest.raises(MigrationError, match="KEY_DELIVERED"):
            await one.certificate()
        task = await one.agents.load_task("acme", "t1")
        assert task is not None
        assert (task.sealed_key, task.certificate_pem) == ("", "cert-1")
        renewed = ChannelEnd(certificate_pem="cert-2", authority_pem="ca")
        await world.command(server_id, RenewCertificate(task_id="t1", epoch=2, channel=renewed))
        second = await one.certificate()
        assert (second.cert, second.private_key, second.ca) == ("cert-2", None, "ca")
        assert (await one.desk.command(one.call(), server_id)).command_param.certificate == 2
        await world.command(server_id, make_key(3))
        await world.command(server_id, copy(4, "cert-3"))
        third = await one.certificate()
        assert third.private_key not in (None, first.private_key)
        passphrase = (await one.deliveries.passphrase(one.call(), "t1")).passphrase
        assert len(passphrase) >= 43
        with pytest.raises(MigrationError, match=r"SMS\.TASK.NOT_FOUND"):
            await one.deliveries.passphrase(one.call("u2"), "t1")
        await world.command(server_id, ForgetTask(task_id="t1", epoch=5))
        assert await one.word(server_id) == "DELETE"
        await one.desk.report_result(one.call(), server_id, "DELETE", has_succeeded=True, detail=None)
        ended = await one.agents.load_task("acme", "t1")
        assert ended is not None
        assert (ended.sealed_passphrase, ended.certificate_pem, ended.has_ended) == ("", "", True)


async def test_new_speed_limits_reach_the_command_that_runs(bench) -> None:
    async with around(bench) as world, gateway(bench) as one:
        server_id = await one.desk.register(one.call(), BODY)
        await world.command(server_id, copy(1))
        limits = SpeedLimits(otherwise=SpeedLimit(rate_bit_s=7_000_000))
        await world.command(server_id, LimitSpeed(task_id="t1", epoch=1, limits=limits))
        offered = await one.desk.command(one.call(), server_id)
        assert offered.command_param.rate_limit_bit_s == 7_000_000


async def test_an_inventory_that_is_asked_for_is_said_again(bench) -> None:
    async with around(bench) as world, gateway(bench) as one:
        server_id = await one.desk.register(one.call(), BODY)
        await world.command(server_id, CollectInventory(task_id="", epoch=0))
        await world.results_of("collect-inventory", 1)
        async with asyncio.timeout(5):
            while not world.inventories:
                await asyncio.sleep(0.02)
        assert world.inventories[0].inventory.hostname == "web"


async def test_an_agent_is_connected_while_it_polls_and_gone_when_it_is_silent(bench) -> None:
    async def is_connected(world: World, server_id: str, *, wanted: bool) -> None:
        show: Message = ShowServer(server_id=server_id)
        async with asyncio.timeout(10):
            while True:
                found = await world.bus.request("sms.v1.req.registry.show", show, ServerDetails, account="acme")
                if found.server.is_connected is wanted:
                    return
                await asyncio.sleep(0.05)

    async with around(bench, silence_s=0.6, silence_check_interval_s=0.05) as world, gateway(bench) as one:
        server_id = await one.desk.register(one.call(), BODY)
        await is_connected(world, server_id, wanted=False)
        await one.word(server_id)
        await is_connected(world, server_id, wanted=True)
        await is_connected(world, server_id, wanted=False)


async def test_a_machine_that_lost_its_id_finds_its_server_again_and_the_quota_counts_it_once(bench) -> None:
    async with around(bench, server_quota=1), gateway(bench) as one:
        server_id = await one.desk.register(one.call(), BODY)
        assert await one.desk.register(one.call(), BODY) == server_id
        assert await one.desk.register(one.call(), BODY.model_copy(update={"id": server_id})) == server_id
        with pytest.raises(MigrationError, match=r"has 1 source servers; 1 are allowed, so other was not"):
            await one.desk.register(one.call(), BODY.model_copy(update={"name": "other"}))
        with pytest.raises(MigrationError, match="SERVER_NOT_FOUND"):
            await one.desk.register(one.call("u2"), BODY.model_copy(update={"id": server_id}))
