"""A bus whose system accepts connections while the bus itself says nothing, for longer than anybody waits for TLS."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
    files = own_bus.files
    settings = ServiceSettings(
        service_name="registry",
        bus_url=files.url,
        bus_ca_file=files.ca_file,
        bus_seed_file=files.seed_file("registry"),
    )
    bus = ServiceBus(settings)
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
    files, stop = own_bus.files, asyncio.Event()
    settings = HostSettings(
        data_folder=tmp_path, bus_url=files.url, bus_ca_file=files.ca_file, bus_seed_file=files.seed_file("host")
    )
    with halted(own_bus):
        serving = asyncio.create_task(serve(Desk(settings), settings, stop))
        await eventually(lambda: NOT_YET in caplog.text)
    await eventually(lambda: "host agent serves" in caplog.text, timeout_s=60)
    stop.set()
    await asyncio.wait_for(serving, 10)
