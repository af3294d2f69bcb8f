"""A service on a real bus, inside the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from shared.service import ServiceContext, Wire, serve
from shared.settings import ServiceSettings
from shared.store import Collection
from tests.servers import NatsServer


class Bench:
    """Runs services against one bus, each with an embedded store in the test's folder."""

    def __init__(self, server: NatsServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def settings(self, service: str, **changed: object) -> ServiceSettings:
        values: dict[str, object] = {
            "service_name": service,
            "bus_url": self.server.url,
            "store_url": f"sqlite:///{self.folder / service}.sqlite",
            "redelivery_delays_s": (0.1, 0.1, 0.1),
            "stop_timeout_s": 2,
            "stream_max_bytes": 64 << 20,
        }
        return ServiceSettings.model_validate(values | changed)

    @asynccontextmanager
    async def running(
        self,
        service: str | ServiceSettings,
        wire: Wire | None = None,
        collections: Sequence[Collection] = (),
    ) -> AsyncIterator[ServiceContext]:
        """A service that has started; it is stopped as by SIGTERM at the end."""
        settings = self.settings(service) if isinstance(service, str) else service
        ready: asyncio.Future[ServiceContext] = asyncio.get_running_loop().create_future()

        async def wire_and_tell(context: ServiceContext) -> None:
            if wire is not None:
                await wire(context)

            async def tell() -> None:
                ready.set_result(context)
                await asyncio.Event().wait()

            context.run_in_background("ready", tell)

        task = asyncio.create_task(serve(settings, wire_and_tell, collections))
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED, timeout=30)
        if task.done():
            task.result()
        try:
            yield await asyncio.wait_for(ready, 1)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def eventually(is_true: Callable[[], bool], *, timeout_s: float = 15) -> None:
    """Wait until it holds; TimeoutError when it does not."""
    async with asyncio.timeout(timeout_s):
        while not is_true():
            await asyncio.sleep(0.02)


@pytest.fixture
def bench(nats_server: NatsServer, tmp_path: Path) -> Bench:
    return Bench(nats_server, tmp_path)
