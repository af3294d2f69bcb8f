"""Requests to the services over the bus, as the installation's operator."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from cli.installation import DataFolder, Installation
from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.cli import BUS_UNREACHABLE, NO_ANSWER, NOT_UNDERSTOOD
from contracts.login import service_inbox
from contracts.messages.reply import HealthReply, HealthRequest, Refused

OPERATOR = "operator"
REQUEST_TIMEOUT_S = 15.0
# A service that was killed is back within two seconds: asking again hides that from the user.
_NOBODY_THERE_TIMEOUT_S = 8.0
_CONNECT_TIMEOUT_S = 5

Reply = TypeVar("Reply", bound=Message)


class BusClient:
    """A connection to the bus. Make one with `connect`."""

    def __init__(self, connection: Client, installation: Installation) -> None:
        self._connection = connection
        self._installation = installation

    async def ask(
        self,
        service: str,
        verb: str,
        message: Message,
        reply_type: type[Reply],
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Reply:
        """Send a request and read its answer.

        Raises MigrationError: what the service refused with, SMS.CLI.NO_ANSWER, or SMS.CLI.NOT_UNDERSTOOD.
        """
        answer = await self._request(service, verb, message, timeout_s=timeout_s)
        request = f"{service}.{verb}"
        try:
            kind = Envelope.from_headers(answer.headers or {}).type
            if kind == Refused.TYPE:
                raise MigrationError(Refused.model_validate_json(answer.data).failure)
            if kind == reply_type.TYPE:
                return reply_type.model_validate_json(answer.data)
        except (ValueError, ValidationError) as error:
            raise MigrationError(NOT_UNDERSTOOD, service=service, request=request, answer="damaged data") from error
        raise MigrationError(NOT_UNDERSTOOD, service=service, request=request, answer=kind)

    async def is_healthy(self, service: str, *, timeout_s: float = 1.0) -> bool:
        """Whether a service answers and says that its store and bus work."""
        subject = subjects.req(service, "health")
        try:
            answer = await self._connection.request(
                subject, b"{}", timeout=timeout_s, headers=self._headers(HealthRequest(), subject)
            )
            return HealthReply.model_validate_json(answer.data).is_healthy
        except (nats.errors.Error, TimeoutError, ValidationError):
            return False

    async def listen(self, subject: str, heard: Callable[[bytes], Awaitable[None]]) -> None:
        """Call heard with the data of every message of a subject until the connection is closed."""

        async def on_message(message: Msg) -> None:
            await heard(message.data)

        await self._connection.subscribe(subject, cb=on_message)

    async def _request(self, service: str, verb: str, message: Message, *, timeout_s: float) -> Msg:
        subject = subjects.req(service, verb)
        payload = message.model_dump_json().encode()
        # The same headers each time: the service recognises a repeated request by them.
        headers = self._headers(message, subject)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + min(timeout_s, _NOBODY_THERE_TIMEOUT_S)
        while True:
            try:
                return await self._connection.request(subject, payload, timeout=timeout_s, headers=headers)
            except (nats.errors.Error, TimeoutError) as error:
                if isinstance(error, nats.errors.NoRespondersError) and loop.time() < give_up_at:
                    await asyncio.sleep(0.25)
                    continue
                raise MigrationError(
                    NO_ANSWER, service=service, request=f"{service}.{verb}", seconds=f"{timeout_s:g}"
                ) from error

    def _headers(self, message: Message, subject: str) -> dict[str, str]:
        envelope = Envelope.of(
            message, source="/cli", account=self._installation.account, actor=OPERATOR, subject=subject
        )
        return envelope.headers()


@asynccontextmanager
async def connect(folder: DataFolder) -> AsyncIterator[BusClient]:
    """A connection with the operator credential of a data folder.

    Raises MigrationError SMS.CLI.NOT_INSTALLED or SMS.CLI.BUS_UNREACHABLE.
    """
    installation = folder.installation()
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            connection = await nats.connect(
                installation.local_bus_url,
                tls=ssl.create_default_context(cafile=str(installation.ca_file)),
                tls_handshake_first=True,
                nkeys_seed_str=installation.operator_seed_file.read_text(encoding="ascii").strip(),
                inbox_prefix=service_inbox(OPERATOR),
                connect_timeout=_CONNECT_TIMEOUT_S,
                # A long `watch` outlives a restart of the bus.
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                error_cb=_ignore,
                name="sms command line",
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        reason = str(error) or type(error).__name__
        raise MigrationError(
            BUS_UNREACHABLE, url=installation.local_bus_url, reason=reason, folder=folder.path
        ) from error
    try:
        yield BusClient(connection, installation)
    finally:
        await connection.close()


async def _ignore(_error: Exception) -> None:
    """The library would print to stderr; every failure that matters reaches the caller as an exception."""
