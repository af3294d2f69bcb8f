"""Subject to handler. The bus acknowledges when a handler has returned and tries again when it has raised."""

from __future__ import annotations

from contracts.messages.feasibility import CheckServer, ShowFeasibility
from contracts.messages.registry import ServerDeleted, ServerRegistered, ServerUpdated
from contracts.subjects import evt_filter, req
from services.feasibility.handlers import Handlers
from shared.bus import ServiceBus


def subscribe(bus: ServiceBus, handlers: Handlers) -> None:
    """Declare everything that this service reacts to."""
    bus.on_event(evt_filter("server", "registered"), ServerRegistered, handlers.on_inventory)
    bus.on_event(evt_filter("server", "updated"), ServerUpdated, handlers.on_inventory)
    bus.on_event(evt_filter("server", "deleted"), ServerDeleted, handlers.on_deleted)
    bus.on_request(req("feasibility", "check"), CheckServer, handlers.check)
    bus.on_request(req("feasibility", "show"), ShowFeasibility, handlers.show)
