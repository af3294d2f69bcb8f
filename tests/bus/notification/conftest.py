"""The world of the notification service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bus.conftest import Bench
from tests.bus.notification.world import World


@pytest.fixture
def world(bench: Bench, tmp_path: Path) -> Iterator[World]:
    world = World(bench, tmp_path)
    world.hook.start()
    world.mail.start()
    yield world
    world.hook.stop()
    world.mail.stop()
