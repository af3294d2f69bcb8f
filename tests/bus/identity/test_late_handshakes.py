"""A bus whose system accepts connections while the bus itself says nothing, for longer than anybody waits for TLS."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

import agents.host.bus
import agents.session.connection
import shared.bus.patience
from agents.host.bus import serve
from agents.host.desk import Desk
from agents.host.settings import HostSettings
from shared.bus import ServiceBus
from shared.settings import ServiceSettings
from tests.bus.conftest import eventually
from tests.bus.identity.secure_bus import SecureBus
from tests.bus.identity.sessions import access_key, connected, session_of

NOT_YET = "no connection to the bus yet"


@contextmanager
def halted(bus: SecureBus) -> Iterator[None]:
    assert bus.server is not None
    bus.server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        bus.server.send_signal(signal.SIGCONT)


@asynccontextmanager
async def silent(bus: SecureBus) -> AsyncIterator[asyncio.Event]:
    """In the bus's place, what accepts connections and says nothing. The event: somebody has come."""
    has_come = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        has_come.set()
        await asyncio.Event().wait()

    bus.kill_server()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", bus.port)
    try:
        yield has_come
    finally:
        server.close()


def registry(bus: SecureBus) -> ServiceSettings:
    files = bus.files
    return ServiceSettings(
        service_name="registry",
        bus_url=files.url,
        bus_ca_file=files.ca_file,
        bus_seed_file=files.seed_file("registry"),
    )


def host(bus: SecureBus, folder: Path) -> HostSettings:
    files = bus.files
    return HostSettings(
        data_folder=folder, bus_url=files.url, bus_ca_file=files.ca_file, bus_seed_file=files.seed_file("host")
    )


async def test_an_agent_comes_back(
    own_bus: SecureBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(session_of(own_bus, tmp_path / "agent", await access_key(own_bus))):
        pass
    monkeypatch.setattr(agents.session.connection, "_CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(agents.session.connection, "_CLOSE_TIMEOUT_S", 0.3)
    with halted(own_bus):
        session = session_of(own_bus, tmp_path / "agent", None)
        await session.start()
        await eventually(lambda: caplog.text.count("cannot be reached") >= 2)
    monkeypatch.undo()
    await asyncio.wait_for(session.wait_connected(), 60)
    await session.stop()


# The client of services and of the host agent waits for 2 s for a handshake.


async def test_a_service_connects(
    own_bus: SecureBus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared.bus.patience, "_ATTEMPT_S", 3.0)
    bus = ServiceBus(registry(own_bus))
    with halted(own_bus):
        connecting = asyncio.create_task(bus.connect())
        await eventually(lambda: NOT_YET in caplog.text)
    await asyncio.wait_for(connecting, 60)
    assert bus.is_connected
    await bus.stop()


async def test_a_host_agent_serves(
    own_bus: SecureBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agents.host.bus, "_ATTEMPT_S", 3.0)
    caplog.set_level(logging.INFO, logger="sms.host")
    settings, stop = host(own_bus, tmp_path), asyncio.Event()
    with halted(own_bus):
        serving = asyncio.create_task(serve(Desk(settings), settings, stop))
        await eventually(lambda: NOT_YET in caplog.text)
    await eventually(lambda: "host agent serves" in caplog.text, timeout_s=60)
    stop.set()
    await asyncio.wait_for(serving, 10)


async def test_a_service_stops(own_bus: SecureBus) -> None:
    bus = ServiceBus(registry(own_bus))
    await bus.connect()
    await bus.start()
    async with silent(own_bus) as has_come:
        # Not before its client waits for the end of a handshake that does not come.
        await asyncio.wait_for(has_come.wait(), 15)
        await asyncio.wait_for(bus.stop(), 5)


@pytest.mark.parametrize("was_connected", [True, False], ids=["that was connected", "that never was"])
async def test_a_host_agent_stops(
    own_bus: SecureBus, tmp_path: Path, caplog: pytest.LogCaptureFixture, was_connected
) -> None:
    caplog.set_level(logging.INFO, logger="sms.host")
    settings, stop = host(own_bus, tmp_path), asyncio.Event()
    if was_connected:
        serving = asyncio.create_task(serve(Desk(settings), settings, stop))
        await eventually(lambda: "host agent serves" in caplog.text)
    async with silent(own_bus) as has_come:
        if not was_connected:
            serving = asyncio.create_task(serve(Desk(settings), settings, stop))
        await asyncio.wait_for(has_come.wait(), 15)
        stop.set()
        await asyncio.wait_for(serving, 7)


async def test_identity_stops(own_bus: SecureBus) -> None:
    identity = own_bus.identity
    assert identity is not None
    async with silent(own_bus) as has_come:
        await asyncio.wait_for(has_come.wait(), 15)
        # Its three connections.
        await asyncio.sleep(1.5)
        identity.send_signal(signal.SIGTERM)
        await eventually(lambda: identity.poll() is not None, timeout_s=8)
    assert identity.returncode == 0
