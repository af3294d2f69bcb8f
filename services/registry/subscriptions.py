"""Subject to handler. The bus acknowledges when a handler has returned and tries again when it has raised."""

from __future__ import annotations

from contracts.messages.account import AccountCreated, AccountUpdated
from contracts.messages.agent import AgentHeartbeat, AgentInventory, AgentProgress, AgentRegistered
from contracts.messages.agent_log import AgentLogChunk
from contracts.messages.feasibility import FeasibilityChecked
from contracts.messages.registry import DeleteServer, ListServers, RefreshInventory, ServerDeleted, ShowServer
from contracts.messages.server_log import CollectServerLog, ListServerLogs, ReadServerLog
from contracts.messages.source import (
    AdmitServer,
    DeleteServers,
    FindServers,
    FindServerTexts,
    ListTags,
    ReportCopyState,
    ShowOverview,
    ShowSourceServer,
    TagServer,
    UntagServer,
    UpdateServer,
)
from contracts.messages.task import TaskChanged, TaskCreated
from contracts.subjects import agent_status_filter, evt_filter, req
from services.registry.agent_handlers import AgentHandlers
from services.registry.handlers import Handlers
from services.registry.inventory_handlers import InventoryHandlers
from services.registry.log_handlers import LogHandlers
from services.registry.progress import ProgressBoard
from services.registry.quota_handlers import QuotaHandlers
from services.registry.source_handlers import SourceHandlers
from shared.bus import ServiceBus


def subscribe(
    bus: ServiceBus, handlers: Handlers, sources: SourceHandlers, agents: AgentHandlers, progress: ProgressBoard
) -> None:
    """Declare everything that the registry reacts to. Every replica hears every heartbeat and progress: each keeps
    its own picture of who is there and how far it is."""
    bus.on_event(agent_status_filter("registered"), AgentRegistered, agents.on_registered)
    bus.on_event(agent_status_filter("inventory"), AgentInventory, agents.on_inventory)
    bus.on_core(agent_status_filter("heartbeat"), AgentHeartbeat, agents.on_heartbeat, is_shared=False)
    bus.on_core(agent_status_filter("progress"), AgentProgress, progress.on_progress, is_shared=False)
    bus.on_event(evt_filter("server", "feasibility-checked"), FeasibilityChecked, handlers.on_checked)
    bus.on_event(evt_filter("task", "created"), TaskCreated, handlers.on_task_created)
    bus.on_event(evt_filter("task", "changed"), TaskChanged, handlers.on_task_changed)
    bus.on_request(req("registry", "list"), ListServers, handlers.list_servers)
    bus.on_request(req("registry", "show"), ShowServer, handlers.show_server)
    bus.on_request(req("registry", "delete"), DeleteServer, handlers.delete_server)
    bus.on_request(req("registry", "find"), FindServers, sources.find)
    bus.on_request(req("registry", "find-texts"), FindServerTexts, sources.find_texts)
    bus.on_request(req("registry", "show-source"), ShowSourceServer, sources.show)
    bus.on_request(req("registry", "update"), UpdateServer, sources.update)
    bus.on_request(req("registry", "report-copy-state"), ReportCopyState, sources.report_copy_state)
    bus.on_request(req("registry", "delete-many"), DeleteServers, sources.delete_many)
    bus.on_request(req("registry", "overview"), ShowOverview, sources.overview)
    bus.on_request(req("registry", "tag"), TagServer, sources.tag)
    bus.on_request(req("registry", "untag"), UntagServer, sources.untag)
    bus.on_request(req("registry", "list-tags"), ListTags, sources.list_tags)
    bus.on_request(req("registry", "admit"), AdmitServer, sources.admit)


def subscribe_logs(bus: ServiceBus, logs: LogHandlers) -> None:
    """What there is about the logs of agents."""
    bus.on_event(agent_status_filter("log"), AgentLogChunk, logs.on_chunk)
    bus.on_event(evt_filter("server", "deleted"), ServerDeleted, logs.on_server_deleted)
    bus.on_request(req("registry", "collect-log"), CollectServerLog, logs.collect)
    bus.on_request(req("registry", "list-logs"), ListServerLogs, logs.list_logs)
    bus.on_request(req("registry", "read-log"), ReadServerLog, logs.read)


def subscribe_inventories(bus: ServiceBus, inventories: InventoryHandlers) -> None:
    """What there is about inventories that are asked for. Every replica hears of each: any may have asked."""
    bus.on_core(agent_status_filter("inventory"), AgentInventory, inventories.on_inventory, is_shared=False)
    bus.on_request(req("registry", "refresh-inventory"), RefreshInventory, inventories.refresh)


def subscribe_quotas(bus: ServiceBus, quotas: QuotaHandlers) -> None:
    """What accounts may have."""
    bus.on_event(evt_filter("account", "created"), AccountCreated, quotas.on_account)
    bus.on_event(evt_filter("account", "updated"), AccountUpdated, quotas.on_account)
