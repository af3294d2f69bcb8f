"""Identity's own raw connections to the bus: one that answers logins, one into the system account."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client

from contracts.login import service_inbox
from shared.bus.patience import connected_at_last
from shared.telemetry import log


@dataclass(frozen=True, kw_only=True)
class BusAddress:
    """How the bus is reached. ca_file is None only for a bus without TLS."""

    servers: tuple[str, ...]
    ca_file: Path | None


async def connect(address: BusAddress, *, user: str, seed_file: Path, closed: asyncio.Event) -> Client:
    """Connect as a service user, now and again for ever; waits until the bus is there.

    closed is set when the client has given up nevertheless: the process must be started again.
    """
    context = None if address.ca_file is None else ssl.create_default_context(cafile=address.ca_file)

    async def on_error(error: Exception) -> None:
        log("bus connection", level=logging.WARNING, error=error, user=user)

    async def on_closed() -> None:
        closed.set()

    def log_in() -> Awaitable[Client]:
        return nats.connect(
            servers=list(address.servers),
            name=user,
            tls=context,
            tls_handshake_first=context is not None,
            nkeys_seed=str(seed_file),
            inbox_prefix=service_inbox(user),
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=10,
            max_outstanding_pings=2,
            error_cb=on_error,
            closed_cb=on_closed,
        )

    return await connected_at_last(log_in)
