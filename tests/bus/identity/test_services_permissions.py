"""Every service, as the all-in-one starts it, gets along with what the bus allows it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
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


async def wait_healthy(bus: SecureBus, operator: Client, service: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                reply = await ask(operator, req(service, "health"), HealthRequest(), HealthReply, timeout_s=1)
            except (MigrationError, NatsError, TimeoutError):
                await asyncio.sleep(0.2)
                continue
            assert reply.is_healthy, service
            return


async def test_no_service_meets_a_permission_that_it_lacks(
    installation: tuple[SecureBus, Plan], tmp_path: Path
) -> None:
    bus, plan = installation
    operator = await bus.service("operator")
    for spec in plan.services:
        assert spec.name in BUS_USERS
        await wait_healthy(bus, operator, spec.name)
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))) as session:
        checked = await operator.subscribe(
            f"sms.v1.evt.{session.account}.server.{session.agent_id}.feasibility-checked"
        )
        await operator.flush()
        inventory = SourceInventory(
            hostname="server1", architecture="x86_64", firmware="BIOS", operating_system=OperatingSystem(id="debian")
        )
        registered = AgentRegistered(role="source", session_id=session.session_id, inventory=inventory)
        await session.publish_status(registered)
        await checked.next_msg(timeout=20)
    await asyncio.sleep(0.5)
    violations = [line for line in (bus.folder / "all.log").read_text().splitlines() if "iolation" in line]
    assert violations == []
    await operator.close()
