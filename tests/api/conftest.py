"""One API bench for the whole run: tests use accounts, servers and names of their own in it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from huaweicloudsdksms.v3 import SmsClient

from tests.api.bench import ApiBench
from tests.api.scripted_host import ScriptedHost


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBench]:
    bench = ApiBench(tmp_path_factory.mktemp("api"))
    bench.start()
    yield bench
    bench.stop()


@pytest.fixture(scope="session")
def sdk_client(api: ApiBench) -> SmsClient:
    """The official SDK with root's key."""
    return api.sdk_client()


@pytest.fixture(scope="session")
def signed(api: ApiBench) -> Iterator[httpx.Client]:
    """A signing HTTP client with root's key."""
    with api.client() as client:
        yield client


@pytest.fixture(scope="session")
def scripted_host(api: ApiBench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedHost]:
    """Targets, helpers and machines that exist at once; without it a started task waits for its host."""
    host = ScriptedHost(api, tmp_path_factory.mktemp("host"))
    host.start()
    yield host
    host.stop()
