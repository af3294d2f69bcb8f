"""Fixtures of several test families; what they start is in servers.py."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import MongoReplicaSet, NatsServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="Seed of everything random; printed at the start.")


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('--seed')} (replay with --seed)"


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(2**32)
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(config.option.seed)
    # pytest-asyncio warns at start while its option asyncio_default_fixture_loop_scope is not set, and warnings
    # are errors here.
    warnings.filterwarnings("ignore", message="The configuration option .asyncio_default_fixture_loop_scope. is unset")


@pytest.fixture
def random_source(request: pytest.FixtureRequest) -> random.Random:
    """Randomness that `--seed` repeats; each test has its own."""
    return random.Random(f"{request.config.getoption('--seed')} {request.node.nodeid}")


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A fresh bus without login; kill() and start() again as needed."""
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoReplicaSet]:
    """One replica set for all tests: use a database of your own in it. Mark the test with ``mongod``."""
    server = MongoReplicaSet(tmp_path_factory.mktemp("mongod"))
    server.start()
    yield server
    server.kill()
