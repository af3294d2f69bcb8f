"""Subject to handler. The bus acknowledges when a handler has returned and tries again when it has raised."""

from __future__ import annotations

from typing import Final

from contracts.messages.metering import (
    CheckBalance,
    EstimateCost,
    ListCosts,
    SetBalance,
    SetPrices,
    ShowBalance,
    ShowPrices,
    ShowTaskCost,
)
from contracts.messages.registry import ServerRegistered, ServerUpdated
from contracts.messages.target_provisioner import HelperStarted, PointTaken, TargetFinished, TargetReleased, VolumeLost
from contracts.messages.task import TaskChanged, TaskCreated
from contracts.subjects import evt_filter, req
from services.metering.handlers import EventHandlers
from services.metering.request_handlers import RequestHandlers
from shared.bus import ServiceBus

SERVICE: Final = "metering"


def subscribe(bus: ServiceBus, events: EventHandlers, requests: RequestHandlers) -> None:
    """Declare everything that metering reacts to."""
    bus.on_event(evt_filter("task", "created"), TaskCreated, events.on_task_created)
    bus.on_event(evt_filter("task", "changed"), TaskChanged, events.on_task_changed)
    bus.on_event(evt_filter("target", "helper-started"), HelperStarted, events.on_helper_started)
    bus.on_event(evt_filter("target", "volume-lost"), VolumeLost, events.on_volume_lost)
    bus.on_event(evt_filter("target", "finished"), TargetFinished, events.on_target_ended)
    bus.on_event(evt_filter("target", "released"), TargetReleased, events.on_target_ended)
    bus.on_event(evt_filter("target", "point-taken"), PointTaken, events.on_point_taken)
    bus.on_event(evt_filter("server", "registered"), ServerRegistered, events.on_server)
    bus.on_event(evt_filter("server", "updated"), ServerUpdated, events.on_server)
    bus.on_request(req(SERVICE, "show"), ShowTaskCost, requests.show)
    bus.on_request(req(SERVICE, "list"), ListCosts, requests.list_costs, workers=2)
    bus.on_request(req(SERVICE, "estimate"), EstimateCost, requests.estimate)
    bus.on_request(req(SERVICE, "show-prices"), ShowPrices, requests.show_prices)
    bus.on_request(req(SERVICE, "set-prices"), SetPrices, requests.set_prices)
    bus.on_request(req(SERVICE, "show-balance"), ShowBalance, requests.show_balance)
    bus.on_request(req(SERVICE, "set-balance"), SetBalance, requests.set_balance)
    bus.on_request(req(SERVICE, "check-balance"), CheckBalance, requests.check_balance)
