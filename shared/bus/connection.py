"""How the framework is set up: the connection, and subscriptions that answer for every message themselves."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from faststream.nats.security import NatsNKey, NatsSecurity
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from shared.settings import ServiceSettings

Receive = Callable[[Msg], Awaitable[None]]

# A fetch that the bus forgot in a restart ends only by this.
_FETCH_TIMEOUT_S: Final = 3.0
_RECONNECT_PAUSE_S: Final = 1
_FOR_EVER: Final = -1


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A durable subscription, for the start-up check and for tests."""

    subject: str
    durable: str
    ack_policy: AckPolicy


def make_broker(
    settings: ServiceSettings,
    *,
    on_error: Callable[[Exception], Awaitable[None]],
    on_disconnected: Callable[[], Awaitable[None]],
    on_reconnected: Callable[[], Awaitable[None]],
    on_closed: Callable[[], Awaitable[None]],
) -> NatsBroker:
    """The framework's broker, not yet connected. Its client reconnects for ever: the default of 60 attempts would
    leave a connection that is closed for good and a pull loop that spins."""
    return NatsBroker(
        settings.bus_addresses(),
        name=f"sms-{settings.service_name}",
        security=_security(settings),
        inbox_prefix=settings.inbox_prefix,
        max_reconnect_attempts=_FOR_EVER,
        reconnect_time_wait=_RECONNECT_PAUSE_S,
        ping_interval=10,
        max_outstanding_pings=2,
        graceful_timeout=settings.stop_timeout_s,
        apply_types=False,
        logger=logging.getLogger("faststream"),
        log_level=logging.DEBUG,
        error_cb=on_error,
        disconnected_cb=on_disconnected,
        reconnected_cb=on_reconnected,
        closed_cb=on_closed,
    )


def subscribe_durable(
    broker: NatsBroker, stream: str, config: ConsumerConfig, receive: Receive, *, inbox_prefix: str, workers: int
) -> Subscription:
    """A pull subscription of a durable consumer, one message per fetch."""
    subject, durable = config.filter_subject or "", config.durable_name or ""
    subscriber = broker.subscriber(
        subject,
        stream=JStream(stream, declare=False),
        pull_sub=PullSub(batch_size=1, timeout=_FETCH_TIMEOUT_S),
        durable=durable,
        config=config,
        inbox_prefix=f"{inbox_prefix}.".encode(),
        # The receiver answers every message itself; the framework's default would end it at any exception.
        ack_policy=AckPolicy.MANUAL,
        decoder=_undecoded,
        no_reply=True,
        **_concurrency(workers),
    )
    subscriber(_passing(receive))
    return Subscription(subject=subject, durable=durable, ack_policy=subscriber.ack_policy)


def _concurrency(workers: int) -> dict[str, Any]:
    return {"max_workers": workers} if workers > 1 else {}


def _security(settings: ServiceSettings) -> NatsSecurity | None:
    has_tls = any(address.startswith(("tls://", "wss://")) for address in settings.bus_addresses())
    ca_file = settings.bus_ca_file
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None) if has_tls or ca_file else None
    seed = settings.bus_seed()
    if seed is not None:
        return NatsNKey.from_seed(
            seed.get_secret_value(),
            ssl_context=context,
            use_ssl=context is not None,
            tls_handshake_first=context is not None,
        )
    if context is not None:
        return NatsSecurity(ssl_context=context, use_ssl=True, tls_handshake_first=True)
    return None


async def _undecoded(message: NatsMessage) -> NatsMessage:
    """Our own reader decodes: a payload that is no JSON must reach it instead of raising in the framework."""
    return message


def _passing(receive: Receive) -> Callable[[NatsMessage], Awaitable[None]]:
    async def pass_on(message: NatsMessage) -> None:
        await receive(message.raw_message)

    return pass_on
