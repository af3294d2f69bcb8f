"""Builds the gateway's adapters: the only place that does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from services.gateway.adapters.server import HttpsServer
from services.gateway.adapters.services import BusServices
from services.gateway.handlers import Handlers
from services.gateway.settings import GatewaySettings
from services.gateway.subscriptions import serve
from shared.service import ServiceContext
from shared.store import Collection

COLLECTIONS: Final[tuple[Collection, ...]] = ()


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Raises OSError when the address cannot be listened on or the certificate cannot be read."""
    settings = context.settings
    if not isinstance(settings, GatewaySettings):
        raise TypeError("the gateway needs its own settings")
    services = BusServices(context.bus)
    handlers = Handlers(services, services, _now, clock_window_s=settings.clock_window_s)
    server = HttpsServer(
        serve(handlers, max_body_bytes=settings.max_body_bytes),
        listen=settings.listen,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
        max_connections=settings.max_connections,
        keep_alive_s=settings.keep_alive_s,
    )
    context.resources.push_async_callback(server.close)
    context.run_in_background("https", server.run)
