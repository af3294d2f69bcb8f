"""What is kept, and what may be asked; a message is acknowledged when its record is durable."""

from __future__ import annotations

from typing import Final

from contracts.messages.audit import ListRecords, VerifyTrace
from contracts.subjects import ROOT, req
from services.audit.handlers import Handlers
from shared.bus import ServiceBus

SERVICE: Final = "audit"


def subscribe(bus: ServiceBus, handlers: Handlers) -> None:
    """Declare all subscriptions."""
    bus.on_raw(f"{ROOT}.evt.>", handlers.on_message)
    bus.on_raw(f"{ROOT}.audit.>", handlers.on_message)
    bus.on_request(req(SERVICE, "list"), ListRecords, handlers.list_records)
    bus.on_request(req(SERVICE, "verify"), VerifyTrace, handlers.verify_trace, workers=2)
