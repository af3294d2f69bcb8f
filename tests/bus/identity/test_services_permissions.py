"""Every service, as the all-in-one starts it, gets along with what the bus allows it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from cli.installation import DataFolder
from cli.settings import CommandLineSettings
from cli.supervisor.plan import Addresses, Plan, prepare
from contracts.errors import MigrationError
from contracts.inventory import OperatingSystem, SourceInventory
from contracts.messages.agent import AgentRegistered
from contracts.messages.registry import ServerDetails, ShowServer
from contracts.messages.reply import HealthReply, HealthRequest
from contracts.permissions import BUS_USERS
from contracts.subjects import req
from tests.bus.identity.secure_bus import SecureBus, ask
from tests.bus.identity.sessions import access_key, connected, session_of
from tests.servers import is_listening, wait_until


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[tuple[SecureBus, Plan]]:
    bus = SecureBus(tmp_path)
    plan = prepare(DataFolder(tmp_path), Addresses(bus_listen=f"127.0.0.1:{bus.port}"), CommandLineSettings())
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "all.log").open("ab"))
        processes: list[subprocess.Popen[bytes]] = []
        for spec in (plan.bus_server, *plan.services):
            processes.append(subprocess.Popen(spec.command, env=spec.environment, stdout=log, stderr=log))
            if spec is plan.bus_server:
                wait_until(lambda: is_listening(bus.port), what="nats-server")
        yield bus, plan
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(processes):
            process.wait(timeout=20)


async def wait_healthy(bus: SecureBus, gateway: Client, service: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                reply = await ask(gateway, req(service, "health"), HealthRequest(), HealthReply, timeout_s=1)
            except (MigrationError, NatsError, TimeoutError):
                await asyncio.sleep(0.2)
                continue
            assert reply.is_healthy, service
            return


async def wait_checked(gateway: Client, account: str, server_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(MigrationError):
                request = ShowServer(server_id=server_id)
                shown = await ask(gateway, req("registry", "show"), request, ServerDetails, account=account)
                if shown.feasibility is not None:
                    return
            await asyncio.sleep(0.1)


async def test_no_service_meets_a_permission_that_it_lacks(
    installation: tuple[SecureBus, Plan], tmp_path: Path
) -> None:
    bus, plan = installation
    gateway = await bus.service("gateway")
    for spec in plan.services:
        assert spec.name in BUS_USERS
        await wait_healthy(bus, gateway, spec.name)
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))) as session:
        inventory = SourceInventory(
            hostname="server1", architecture="x86_64", firmware="BIOS", operating_system=OperatingSystem(id="debian")
        )
        registered = AgentRegistered(role="source", session_id=session.session_id, inventory=inventory)
        await session.publish_status(registered)
        await wait_checked(gateway, session.account, session.agent_id)
    await asyncio.sleep(0.5)
    violations = [line for line in (bus.folder / "all.log").read_text().splitlines() if "iolation" in line]
    assert violations == []
    await gateway.close()
