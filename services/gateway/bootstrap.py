"""Builds the gateway's adapters: the only place that does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from services.gateway.adapters.answers import ANSWERS, COUNTS, StoredAnswers, StoredTrace
from services.gateway.adapters.server import HttpsServer
from services.gateway.adapters.services import BusServices
from services.gateway.answering import Answering
from services.gateway.api.router import ApiRouter
from services.gateway.denials import DenialTrace
from services.gateway.handlers import Handlers
from services.gateway.routes import ROUTERS
from services.gateway.settings import GatewaySettings
from services.gateway.subscriptions import serve
from shared.service import ServiceContext
from shared.store import StoreUnavailableError
from shared.telemetry import log

COLLECTIONS: Final = (ANSWERS, COUNTS)
_CLEANING_INTERVAL_S: Final = 60


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext, routers: Sequence[ApiRouter] = ROUTERS) -> None:
    """Raises OSError when the address cannot be listened on or the certificate cannot be read."""
    settings = context.settings
    if not isinstance(settings, GatewaySettings):
        raise TypeError("the gateway needs its own settings")
    services = BusServices(context.bus)
    answers = StoredAnswers(context.store)
    denials = DenialTrace(StoredTrace(context.store))
    handlers = Handlers(
        services,
        services,
        Answering(answers, time.time, claim_s=settings.claim_s),
        denials,
        _now,
        clock_window_s=settings.clock_window_s,
    )
    server = HttpsServer(
        serve(handlers, max_body_bytes=settings.max_body_bytes, routers=routers),
        listen=settings.listen,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
        max_connections=settings.max_connections,
        keep_alive_s=settings.keep_alive_s,
    )
    context.resources.push_async_callback(server.close)
    context.run_in_background("denial-trace", denials.run)
    context.run_in_background("cleaning", lambda: _clean(answers))
    context.run_in_background("https", server.run)


async def _clean(answers: StoredAnswers) -> None:
    while True:
        try:
            if removed := await answers.clean(now_s=time.time()):
                log("expired answers removed", answers=removed)
        except StoreUnavailableError as error:
            log("cleaning waits", level=logging.WARNING, error=error)
        await asyncio.sleep(_CLEANING_INTERVAL_S)
