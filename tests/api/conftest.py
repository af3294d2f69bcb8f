"""One API bench for most of the run: tests use accounts, servers and names of their own in it. What touches everything
(the access matrix, the fuzzing) has a bench of its own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from huaweicloudsdksms.v3 import SmsClient

from tests.api.bench import ApiBench, running_bench
from tests.api.scripted_host import ScriptedHost


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiBench]:
    with running_bench(tmp_path_factory.mktemp("api")) as bench:
        yield bench


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
