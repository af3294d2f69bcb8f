"""The local provider with a real host agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.target_provisioner.adapters.local_provider import LocalProvider
from tests.bus.conftest import Bench
from tests.contract.target_provider.suite import TargetProviderContract
from tests.host_agent import running_host_agent
from tests.servers import NatsServer


@pytest.mark.root
class TestLocalProvider(TargetProviderContract):
    @pytest.fixture
    async def provider(self, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[LocalProvider]:
        with running_host_agent(tmp_path, bus_url=nats_server.url) as agent:
            async with Bench(nats_server, tmp_path).running("target_provisioner") as context:
                yield LocalProvider(context.bus, request_timeout_s=10, patience_s=10)
            agent.kill()
