"""One secure bus with identity for the tests of a module; those that kill something have their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.identity.secure_bus import SecureBus


@pytest.fixture(scope="module")
def bus_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBus]:
    yield from _running(tmp_path_factory.mktemp("bus"))


@pytest.fixture
async def bus(bus_processes: SecureBus) -> SecureBus:
    await bus_processes.wait_identity()
    return bus_processes


@pytest.fixture
def own_bus_processes(tmp_path: Path) -> Iterator[SecureBus]:
    yield from _running(tmp_path)


@pytest.fixture
async def own_bus(own_bus_processes: SecureBus) -> SecureBus:
    await own_bus_processes.wait_identity()
    return own_bus_processes


def _running(folder: Path) -> Iterator[SecureBus]:
    bus = SecureBus(folder)
    bus.start_server()
    bus.start_identity()
    yield bus
    bus.kill_identity()
    bus.kill_server()
