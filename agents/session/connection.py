"""One connection to the bus. It never reconnects by itself: the session makes a new one, with a new proof."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError

from contracts.errors import MigrationError
from contracts.errors.agent import AUTHORITY_UNREADABLE

_logger: Final = logging.getLogger("sms.agent.session")
# A handshake may take long when a thousand agents come back at once.
_CONNECT_TIMEOUT_S: Final = 12
# A dead peer is noticed after two unanswered pings: "stalled" within 20 s.
_PING_INTERVAL_S: Final = 8
_UNANSWERED_PINGS: Final = 2
_CLOSE_TIMEOUT_S: Final = 5
_DENIED: Final = "authorization violation"


class UnreachableError(Exception):
    """No server of the bus could be spoken to."""


class DeniedError(Exception):
    """The bus has refused the login; it gives no reason."""


@dataclass(frozen=True, kw_only=True)
class BusAddress:
    """Where the bus is, and the only authority that may vouch for it. server_name: what its certificate is checked
    against when it is reached by another address; "" for the address itself."""

    servers: tuple[str, ...]
    ca_file: Path
    server_name: str = ""

    @classmethod
    def of(cls, bus_url: str, ca_file: Path, server_name: str = "") -> BusAddress:
        """bus_url: ``HOST:PORT`` or ``tls://HOST:PORT``; several are separated by commas."""
        hosts = [part.strip().partition("://")[2] or part.strip() for part in bus_url.split(",") if part.strip()]
        return cls(servers=tuple(f"tls://{host}" for host in hosts), ca_file=ca_file, server_name=server_name)


def trusting(address: BusAddress) -> ssl.SSLContext:
    """TLS 1.3 with servers of this installation only. Raises MigrationError SMS.AGENT.AUTHORITY_UNREADABLE."""
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MigrationError(AUTHORITY_UNREADABLE, ca_file=address.ca_file, reason=reason) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


async def open_connection(
    address: BusAddress, *, user: str, password: Callable[[], str], inbox_prefix: str, on_closed: asyncio.Event
) -> Client:
    """Log in. on_closed is set when the connection ends. Raises UnreachableError or DeniedError.

    TLS is spoken from the first byte: a proof never travels in clear, whatever a man in the middle claims.
    """
    context = trusting(address)
    client = Client()

    async def closed() -> None:
        on_closed.set()

    async def on_error(error: Exception) -> None:
        _logger.debug("bus: %s", type(error).__name__)

    try:
        await client.connect(
            servers=list(address.servers),
            user=user,
            password=password,
            tls=context,
            tls_hostname=address.server_name or None,
            tls_handshake_first=True,
            inbox_prefix=inbox_prefix,
            allow_reconnect=False,
            # With these the client tries each server once or twice and gives up, instead of trying for ever.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_CONNECT_TIMEOUT_S,
            ping_interval=_PING_INTERVAL_S,
            max_outstanding_pings=_UNANSWERED_PINGS,
            closed_cb=closed,
            error_cb=on_error,
        )
    except NoServersError as error:
        raise UnreachableError("no server answers") from error
    except NatsError as error:
        await close_connection(client)
        if _DENIED in str(error).lower():
            raise DeniedError from error
        raise UnreachableError(str(error)) from error
    except (OSError, TimeoutError) as error:
        await close_connection(client)
        raise UnreachableError(type(error).__name__) from error
    if not client.is_connected:
        # The client takes an end of the stream for a login that went well.
        await close_connection(client)
        raise UnreachableError("the bus has closed the connection during the login")
    return client


async def close_connection(client: Client) -> None:
    """Give a connection up, whatever state it is in.

    The client waits without limit: for the end of a connection whose TLS handshake took too long, which asyncio never
    reports (Python 3.11), and for room in the buffer of one whose other end is dead.
    """
    with suppress(TimeoutError, NatsError, OSError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await client.close()
