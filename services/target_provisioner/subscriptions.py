"""Subject to handler; no logic."""

from __future__ import annotations

from contracts.messages.target_provisioner import (
    BootHelper,
    CensusRequest,
    CreateLaunchLayer,
    FinishTarget,
    LaunchTarget,
    ProvisionerCommand,
    ProvisionTarget,
    RehearseTarget,
    ReleaseTarget,
    ShowTarget,
    TakePoint,
)
from contracts.subjects import ROOT, req
from services.target_provisioner.handlers import Handlers
from shared.bus import ServiceBus

SERVICE = "target_provisioner"
COMMANDS: tuple[type[ProvisionerCommand], ...] = (
    ProvisionTarget,
    BootHelper,
    TakePoint,
    CreateLaunchLayer,
    LaunchTarget,
    RehearseTarget,
    FinishTarget,
    ReleaseTarget,
)


def subscribe(bus: ServiceBus, handlers: Handlers, *, workers: int) -> None:
    """Commands are acknowledged after the handler's commit; several targets are worked on at a time."""
    bus.on_command(f"{ROOT}.cmd.{SERVICE}.*", COMMANDS, handlers.command, workers=workers)
    bus.on_request(req(SERVICE, "show"), ShowTarget, handlers.show)
    bus.on_request(req(SERVICE, "census"), CensusRequest, handlers.census)
