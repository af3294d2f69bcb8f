"""The host agent on the bus: requests on ``sms.v1.host.*``, which the bus lets only the provisioner make."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from typing import Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from agents.host.desk import Desk
from agents.host.settings import HostSettings
from agents.session.connection import close_connection
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.login import service_inbox
from contracts.subjects import host

_logger: Final = logging.getLogger("sms.host")
_ATTEMPT_S: Final = 30
_DRAIN_S: Final = 3
_CANCEL_AGAIN_S: Final = 1.0
_SUBJECT_PREFIX: Final = host("x").removesuffix("x")
# Replies go to the provisioner's own inbox and nowhere else, whatever a request says.
_REPLY_PREFIX: Final = f"{service_inbox('target_provisioner')}."


async def serve(desk: Desk, settings: HostSettings, stop: asyncio.Event) -> None:
    """Answer requests until stop is set, also while there is no connection yet. Returns early when the connection is
    closed for good."""
    closed = asyncio.Event()
    stopping = asyncio.create_task(stop.wait(), name="host-stop")
    connecting = asyncio.create_task(_connect(settings, closed), name="host-connect")
    await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
    while not connecting.done():
        # asyncio.wait_for, by which the bus's client waits, swallows a cancellation now and then (until Python 3.12).
        connecting.cancel()
        await asyncio.wait([connecting], timeout=_CANCEL_AGAIN_S)
    if connecting.cancelled():
        return
    client = connecting.result()
    running: set[asyncio.Task[None]] = set()

    async def receive(message: Msg) -> None:
        task = asyncio.create_task(_reply(client, desk, message))
        running.add(task)
        task.add_done_callback(running.discard)

    await client.subscribe(f"{_SUBJECT_PREFIX}*", cb=receive)
    _logger.info("host agent serves")
    ended = asyncio.create_task(closed.wait(), name="host-connection-end")
    await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
    for wait in (stopping, ended):
        wait.cancel()
    # A drain without a connection raises.
    if client.is_connected:
        with suppress(TimeoutError, NatsError, OSError):
            async with asyncio.timeout(_DRAIN_S):
                await client.drain()
    await close_connection(client)


async def _connect(settings: HostSettings, closed: asyncio.Event) -> Client:
    async def on_closed() -> None:
        closed.set()

    while True:
        # It tries for ever, but a TLS handshake that took too long leaves it waiting for what asyncio never reports.
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                return await nats.connect(
                    settings.bus_url.split(","),
                    name="sms-host",
                    tls=_tls(settings),
                    nkeys_seed_str=_seed(settings),
                    inbox_prefix=service_inbox("host"),
                    tls_handshake_first=_tls(settings) is not None,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.5,
                    closed_cb=on_closed,
                    error_cb=_on_error,
                )
        except TimeoutError:
            _logger.warning("no connection to the bus yet, after %d s", _ATTEMPT_S)


async def _reply(client: Client, desk: Desk, message: Msg) -> None:
    if not message.reply.startswith(_REPLY_PREFIX):
        _logger.warning("request on %s ignored: its reply would go to %s", message.subject, message.reply[:100])
        return
    answer = await desk.answer(message.subject.removeprefix(_SUBJECT_PREFIX), message.data)
    try:
        await client.publish(message.reply, answer.model_dump_json().encode(), headers=_headers(answer, message))
    except NatsError as error:
        # The request is repeated, and finds what was done.
        _logger.warning("reply not sent: %s", error)


def _headers(answer: Message, message: Msg) -> dict[str, str]:
    asked = message.headers or {}
    envelope = Envelope.of(
        answer,
        source="/agents/host",
        account=asked.get("ce-smsaccount", ""),
        causation_id=asked.get("ce-id", ""),
        correlation_id=asked.get("ce-correlationid", ""),
    )
    return envelope.headers()


def _tls(settings: HostSettings) -> ssl.SSLContext | None:
    if settings.bus_ca_file is None:
        return None
    return ssl.create_default_context(cafile=str(settings.bus_ca_file))


def _seed(settings: HostSettings) -> str | None:
    return settings.bus_seed_file.read_text(encoding="ascii").strip() if settings.bus_seed_file is not None else None


async def _on_error(error: Exception) -> None:
    _logger.warning("bus: %s", error)
