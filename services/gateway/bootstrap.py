"""Builds the gateway's adapters: the only place that does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from fastapi import FastAPI

from services.gateway.adapters import http_agents
from services.gateway.adapters.agent_secrets import SealedSecrets
from services.gateway.adapters.answers import ANSWERS, COUNTS, StoredAnswers, StoredTrace
from services.gateway.adapters.protocol import WireLimits
from services.gateway.adapters.server import HttpsServer
from services.gateway.adapters.services import BusServices
from services.gateway.answering import Answering
from services.gateway.api.router import ApiRouter
from services.gateway.bridge.commands import CommandKeeper
from services.gateway.bridge.deliveries import Deliveries
from services.gateway.bridge.desk import AgentDesk
from services.gateway.bridge.listening import AgentListener
from services.gateway.bridge.presence import Presence
from services.gateway.denials import DenialTrace
from services.gateway.handlers import Handlers
from services.gateway.routes import ROUTERS
from services.gateway.settings import GatewaySettings
from services.gateway.subscriptions import serve
from shared.service import ServiceContext
from shared.store import StoreUnavailableError
from shared.telemetry import log

COLLECTIONS: Final = (ANSWERS, COUNTS, *http_agents.COLLECTIONS)
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
    application = serve(handlers, max_body_bytes=settings.max_body_bytes, routers=routers)
    _bridge(context, settings, application)
    server = HttpsServer(
        application,
        listen=settings.listen,
        certificate_file=settings.certificate_file,
        key_file=settings.key_file,
        max_connections=settings.max_connections,
        keep_alive_s=settings.keep_alive_s,
        limits=WireLimits(
            head_timeout_s=settings.request_head_timeout_s, body_timeout_s=settings.request_body_timeout_s
        ),
    )
    context.resources.push_async_callback(server.close)
    context.run_in_background("denial-trace", denials.run)
    context.run_in_background("cleaning", lambda: _clean(answers))
    context.run_in_background("https", server.run)


def _bridge(context: ServiceContext, settings: GatewaySettings, application: FastAPI) -> None:
    """Agents that speak HTTP: their desk for the routes, and their ear on the bus."""
    agents = http_agents.StoredHttpAgents(context.store)
    secrets = SealedSecrets(settings.seal_key_file)
    keeper = CommandKeeper(agents, secrets, _now)
    listener = AgentListener(context.bus, agents, keeper, refresh_s=settings.agents_refresh_s)
    presence = Presence(http_agents.AgentsOnTheBus(context.bus), time.monotonic)
    desk = AgentDesk(agents, presence, listener.listen, _now)
    application.state.agents = desk
    application.state.deliveries = Deliveries(desk, agents, secrets, _now)
    context.run_in_background("agents-of-http", listener.run)


async def _clean(answers: StoredAnswers) -> None:
    while True:
        try:
            if removed := await answers.clean(now_s=time.time()):
                log("expired answers removed", answers=removed)
        except StoreUnavailableError as error:
            log("cleaning waits", level=logging.WARNING, error=error)
        await asyncio.sleep(_CLEANING_INTERVAL_S)
