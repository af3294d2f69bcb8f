"""Wires the audit service, which has no adapters of its own."""

from __future__ import annotations

from services.audit.handlers import Handlers
from services.audit.subscriptions import subscribe
from shared.service import ServiceContext


async def wire(context: ServiceContext) -> None:
    """Declare the subscriptions."""
    subscribe(context.bus, Handlers(context.store))
