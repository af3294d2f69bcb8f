"""The only place that builds the registry's adapters."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from services.registry.adapters.records import REFUSALS, SERVERS, ServerRecords
from services.registry.agent_handlers import AgentHandlers
from services.registry.handlers import Handlers
from services.registry.settings import RegistrySettings
from services.registry.subscriptions import subscribe
from shared.service import ServiceContext

COLLECTIONS: Final = (SERVERS, REFUSALS)


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Build the parts, remember who was connected and declare the subscriptions."""
    settings = context.settings if isinstance(context.settings, RegistrySettings) else RegistrySettings()
    servers = ServerRecords(context.store)
    agents = AgentHandlers(servers, settings, _now, time.monotonic)
    await agents.remember_connected()
    subscribe(context.bus, Handlers(servers, agents.last_seen_at, _now), agents)
    context.run_in_background("silence-watch", agents.watch_silence)
