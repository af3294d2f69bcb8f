"""The bus as an installation has it: TLS, a login for each service, and nobody but the provisioner asks the host."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts import subjects
from contracts.errors import MigrationError
from contracts.messages.host import HostCensus, HostCensusRequest
from contracts.messages.target_provisioner import DiskRequest
from services.target_provisioner.adapters.local_provider import LocalProvider
from shared.bus import ServiceBus
from shared.bus_server.installation import BusFiles, write_bus_configuration
from shared.settings import ServiceSettings
from tests.host_agent import running_host_agent
from tests.servers import free_port, is_listening, wait_until

pytestmark = pytest.mark.root


@pytest.fixture
def secured_bus(tmp_path: Path) -> Iterator[BusFiles]:
    port = free_port()
    files = write_bus_configuration(tmp_path / "bus", listen=f"127.0.0.1:{port}", now=datetime.now(UTC))
    program = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
    with (tmp_path / "nats.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(files.configuration)], stdout=log, stderr=log)
    wait_until(lambda: is_listening(port), what="nats-server")
    yield files
    process.kill()
    process.wait()


def bus_of(user: str, files: BusFiles) -> ServiceBus:
    return ServiceBus(
        ServiceSettings(
            service_name=user, bus_url=files.url, bus_ca_file=files.ca_file, bus_seed_file=files.seed_file(user)
        )
    )


async def test_only_the_provisioner_reaches_the_host_agent(secured_bus: BusFiles, tmp_path: Path) -> None:
    login = {"bus_ca_file": str(secured_bus.ca_file), "bus_seed_file": str(secured_bus.seed_file("host"))}
    with running_host_agent(tmp_path, bus_url=secured_bus.url, **login) as agent:
        provisioner, task = bus_of("target_provisioner", secured_bus), bus_of("task", secured_bus)
        await asyncio.gather(provisioner.connect(), task.connect())
        try:
            provider = LocalProvider(provisioner, request_timeout_s=5, patience_s=5)
            await provider.create_disks("t1", (DiskRequest(name="vda", size_bytes=1 << 20),))
            assert (await provider.census()).kept == ("t1/disk/vda",)
            with pytest.raises(MigrationError) as refused:
                await task.request(subjects.host("census"), HostCensusRequest(), HostCensus, 1)
            assert refused.value.code == "SMS.SERVICE.UNAVAILABLE"
        finally:
            await asyncio.gather(provisioner.stop(), task.stop())
        assert agent.target("t1").stat().st_mode & 0o777 == 0o700
