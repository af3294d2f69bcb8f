"""The only place that builds the registry's adapters."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from contracts.envelope import Envelope
from contracts.messages.agent import AgentCommand, CommandAcknowledged
from contracts.subjects import agent_command
from services.registry.adapters.quotas import QUOTAS, StoredQuotas
from services.registry.adapters.records import PAPERS, REFUSALS, SERVERS, ServerRecords
from services.registry.agent_handlers import AgentHandlers
from services.registry.handlers import Handlers
from services.registry.inventory_handlers import InventoryHandlers
from services.registry.log_handlers import ACKNOWLEDGED_WITHIN_S, LogHandlers
from services.registry.log_records import LOG_CHUNKS, LOG_PARTS, LOGS, LogRecords
from services.registry.progress import ProgressBoard
from services.registry.quota_handlers import QuotaHandlers
from services.registry.settings import RegistrySettings
from services.registry.source_handlers import SourceHandlers
from services.registry.subscriptions import subscribe, subscribe_inventories, subscribe_logs, subscribe_quotas
from shared.service import ServiceContext

COLLECTIONS: Final = (SERVERS, PAPERS, REFUSALS, QUOTAS, LOGS, LOG_CHUNKS, LOG_PARTS)


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Build the parts, remember who was connected and declare the subscriptions."""
    settings = context.settings if isinstance(context.settings, RegistrySettings) else RegistrySettings()
    servers = ServerRecords(context.store)
    quotas = StoredQuotas(context.store, default=settings.server_quota)
    agents = AgentHandlers(servers, quotas, settings, _now, time.monotonic)
    await agents.remember_connected()
    progress = ProgressBoard()
    single = Handlers(servers, agents.last_seen_at, progress, _now)
    sources = SourceHandlers(servers, single, agents.last_seen_at, progress, quotas, settings, _now)

    async def command(account: str, server_id: str, message: AgentCommand, cause: Envelope) -> CommandAcknowledged:
        subject = agent_command(account, server_id, message.VERB)
        return await context.bus.request(subject, message, CommandAcknowledged, ACKNOWLEDGED_WITHIN_S, cause=cause)

    logs = LogHandlers(LogRecords(context.store), servers, command, settings, _now)
    subscribe(context.bus, single, sources, agents, progress)
    subscribe_logs(context.bus, logs)
    subscribe_inventories(context.bus, InventoryHandlers(servers, command, settings, _now))
    subscribe_quotas(context.bus, QuotaHandlers(quotas))
    context.run_in_background("silence-watch", agents.watch_silence)
