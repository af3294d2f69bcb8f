"""``python -m cli.health SERVICE FOLDER``: exits with 0 when the service answers; for containers' health checks.

The only part of the command line that speaks on the bus, as a user who may ask for health and nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import nats
import nats.errors
from nats.aio.client import Client
from pydantic import ValidationError

from cli.installation import DataFolder
from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.cli import BUS_UNREACHABLE
from contracts.login import service_inbox
from contracts.messages.reply import HealthReply, HealthRequest
from contracts.permissions import HEALTH_USER
from shared.bus.closing import close_client

_CONNECT_TIMEOUT_S: Final = 5


class HealthClient:
    """A connection to the bus. Make one with `connect`."""

    def __init__(self, connection: Client, account: str) -> None:
        self._connection = connection
        self._account = account

    async def is_healthy(self, service: str, *, timeout_s: float = 1.0) -> bool:
        """Whether a service answers and says that its store and bus work."""
        subject, request = subjects.req(service, "health"), HealthRequest()
        envelope = Envelope.of(request, source="/cli", account=self._account, actor=HEALTH_USER, subject=subject)
        try:
            answer = await self._connection.request(
                subject, request.model_dump_json().encode(), timeout=timeout_s, headers=envelope.headers()
            )
            return HealthReply.model_validate_json(answer.data).is_healthy
        except (nats.errors.Error, TimeoutError, ValidationError):
            return False


@asynccontextmanager
async def connect(folder: DataFolder) -> AsyncIterator[HealthClient]:
    """A connection with the key of a data folder.

    Raises MigrationError SMS.CLI.NOT_INSTALLED or SMS.CLI.BUS_UNREACHABLE.
    """
    installation = folder.installation()
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            connection = await nats.connect(
                installation.local_bus_url,
                tls=ssl.create_default_context(cafile=str(installation.ca_file)),
                tls_handshake_first=True,
                nkeys_seed_str=folder.health_seed_file.read_text(encoding="ascii").strip(),
                inbox_prefix=service_inbox(HEALTH_USER),
                connect_timeout=_CONNECT_TIMEOUT_S,
                # The supervisor's outlives a restart of the bus.
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                error_cb=_ignore,
                name="sms health",
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        reason = str(error) or type(error).__name__
        raise MigrationError(
            BUS_UNREACHABLE, url=installation.local_bus_url, reason=reason, folder=folder.path
        ) from error
    try:
        yield HealthClient(connection, installation.account)
    finally:
        await close_client(connection)


async def _ignore(_error: Exception) -> None:
    """The library would print to stderr; what matters is whether a service answers."""


async def is_healthy(service: str, folder: DataFolder) -> bool:
    """Ask one service."""
    try:
        async with connect(folder) as client:
            return await client.is_healthy(service, timeout_s=3)
    except MigrationError as error:
        print(error, file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(is_healthy(sys.argv[1], DataFolder.at(Path(sys.argv[2])))) else 1)
