"""One deployment for all tests of this folder."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.compose.deployment import Deployment
from tests.compose.engine import running_engine
from tests.compose.images import build_all

IMAGES = ("sms:test", "nats:test", "mongo:test", "sms-test-base:bookworm")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("containers")
    with running_engine(folder / "engine") as engine:
        started_at = time.monotonic()
        build_all(engine, folder / "contexts")
        print(f"\nimages built in {time.monotonic() - started_at:.0f} s")
        found = Deployment(engine, f"smstest{_free_port()}", _free_port(), _free_port())
        started_at = time.monotonic()
        try:
            found.compose("up", "-d", "--no-build")
            found.wait_until_healthy()
            print(f"deployment healthy in {time.monotonic() - started_at:.0f} s")
            yield found
        except Exception:
            print(found.compose("logs", "--no-color", "--tail", "30"))
            raise
        finally:
            found.compose("down", "--volumes", "--timeout", "10")
            engine.run("docker", "image", "rm", "--force", *IMAGES)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
