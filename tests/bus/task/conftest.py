"""The task service's settings and its scripted world, for every test of it on a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.task.settings import TaskSettings
from tests.bus.conftest import Bench
from tests.bus.task.world import World


@pytest.fixture
def settings(bench: Bench) -> TaskSettings:
    return TaskSettings(
        bus_url=bench.server.url,
        store_url=f"sqlite:///{bench.folder / 'task'}.sqlite",
        seal_key_file=bench.folder / "task.seal",
        redelivery_delays_s=(0.1, 0.1, 0.1),
        stop_timeout_s=2,
        stream_max_bytes=64 << 20,
        command_timeout_s=1,
        command_pause_s=0.1,
        skip_after_s=1,
        renewal_interval_s=0.2,
        wave_interval_s=0.1,
    )


@pytest.fixture
async def world(bench: Bench) -> AsyncIterator[World]:
    world = World()
    await world.start(bench.server.url)
    yield world
    await world.stop()
