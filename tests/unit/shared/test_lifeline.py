"""A connection that stays away is given up only while the bus is there."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.lifeline import until_abandoned
from tests.servers import free_port


async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_client_that_does_not_come_back_to_an_open_bus_is_given_up() -> None:
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    addresses = [f"nats://127.0.0.1:{free_port()}", f"tls://127.0.0.1:{port}"]
    async with server:
        await asyncio.wait_for(until_abandoned(lambda: False, addresses, grace_s=0.1, interval_s=0.02), 5)


@pytest.mark.parametrize("is_connected", [True, False])
async def test_a_connected_client_and_a_closed_bus_are_waited_for(is_connected) -> None:
    addresses = [f"nats://127.0.0.1:{free_port()}"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(until_abandoned(lambda: is_connected, addresses, grace_s=0.05, interval_s=0.02), 0.5)
