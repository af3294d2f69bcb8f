"""A service process ends when it cannot go on, and waits when it can."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from contracts import subjects
from contracts.errors import MigrationError
from contracts.messages.reply import HealthReply, HealthRequest
from shared.bus import ServiceBus
from tests.bus.conftest import eventually
from tests.servers import NatsServer

STALLING = """
import time
from shared.service import ServiceContext, run_service
from shared.settings import ServiceSettings

async def wire(context: ServiceContext) -> None:
    async def spin() -> None:
        time.sleep(60)
    context.run_in_background("spin", spin)

run_service(ServiceSettings(service_name="stalling", bus_url={url!r}, store_url={store!r},
    event_loop_stall_limit_s=1), wire)
"""


@asynccontextmanager
async def process(
    folder: Path, url: str, *arguments: str, stop_timeout_s: float = 8
) -> AsyncIterator[subprocess.Popen[bytes]]:
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    for service in ("AUDIT", "REGISTRY"):
        environment |= {
            f"SMS_{service}_BUS_URL": url,
            f"SMS_{service}_STORE_URL": f"sqlite:///{folder}/{service.lower()}.sqlite",
            f"SMS_{service}_STREAM_MAX_BYTES": str(64 << 20),
            f"SMS_{service}_STOP_TIMEOUT_S": str(stop_timeout_s),
        }
    with (folder / "service.log").open("wb") as log:
        started = subprocess.Popen([sys.executable, *arguments], env=environment, stderr=log)  # noqa: ASYNC220 - it returns at once
        try:
            yield started
        finally:
            started.kill()
            started.wait()


def ended(started: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: started.poll() is not None


async def answered(bus: ServiceBus) -> HealthReply:
    async with asyncio.timeout(15):
        while True:
            with suppress(MigrationError):
                return await bus.request(subjects.req("audit", "health"), HealthRequest(), HealthReply, 1)
            await asyncio.sleep(0.1)


async def test_a_service_that_starts_before_the_bus_serves_when_it_comes(bench, tmp_path) -> None:
    bench.server.kill()
    async with process(tmp_path, bench.server.url, "-m", "services.audit") as started:
        await asyncio.sleep(1.5)
        assert started.poll() is None
        bench.server.start()
        async with bench.running("task") as caller:
            health = await answered(caller.bus)
            assert health.is_healthy


async def test_a_service_whose_event_loop_stalls_is_ended_by_its_watchdog(bench, tmp_path) -> None:
    code = STALLING.format(url=bench.server.url, store=f"sqlite:///{tmp_path}/stalling.sqlite")
    async with process(tmp_path, bench.server.url, "-c", code) as started:
        await eventually(ended(started))
        assert started.returncode == 70
        assert b"event loop stalled" in (tmp_path / "service.log").read_bytes()


@pytest.mark.parametrize("is_running", [True, False], ids=["while it runs", "at its start"])
async def test_a_service_that_the_bus_refuses_exits_for_its_supervisor(bench, tmp_path, is_running) -> None:
    async with process(tmp_path, bench.server.url, "-m", "services.audit") as started:
        log = tmp_path / "service.log"
        if is_running:
            await eventually(lambda: b"service started" in log.read_bytes())
        bench.server.kill()
        closed = NatsServer(bench.server.folder, port=bench.server.port, extra_config="authorization { token: other }")
        closed.start()
        try:
            await eventually(ended(started))
            assert started.returncode == 1
        finally:
            closed.kill()


async def test_a_service_that_loses_the_bus_while_it_stops_does_not_wait_for_it(bench, tmp_path) -> None:
    async with process(tmp_path, bench.server.url, "-m", "services.registry", stop_timeout_s=600) as started:
        await stop_with_a_deaf_bus(bench.server, started, tmp_path)
        bench.server.kill()
        # The client alone would wait for its answer for 10 s, twice.
        await eventually(ended(started), timeout_s=5)
        assert started.returncode == 0


async def test_a_service_stops_in_its_time_beside_a_bus_that_answers_nothing(bench, tmp_path) -> None:
    async with process(tmp_path, bench.server.url, "-m", "services.registry", stop_timeout_s=1) as started:
        await stop_with_a_deaf_bus(bench.server, started, tmp_path)
        await eventually(ended(started), timeout_s=8)
        assert started.returncode == 0


async def stop_with_a_deaf_bus(server: NatsServer, service: subprocess.Popen[bytes], folder: Path) -> None:
    await eventually(lambda: b"service started" in (folder / "service.log").read_bytes())
    server.send(signal.SIGSTOP)
    service.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    assert service.poll() is None
