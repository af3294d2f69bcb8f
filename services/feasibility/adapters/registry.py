"""The registry over the bus."""

from __future__ import annotations

from typing import Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.registry import InventoryRefreshed, RefreshInventory
from shared.bus import ServiceBus

# The registry gives an agent 5 s to take the command, and 20 s to look.
_ANSWER_WITHIN_S: Final = 27.0


class RegistryOnTheBus:
    """The port Inventories."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def refresh(self, server_id: str, cause: Envelope) -> InventoryRefreshed:
        """See Inventories."""
        subject, request = subjects.req("registry", "refresh-inventory"), RefreshInventory(server_id=server_id)
        try:
            return await self._bus.request(
                subject, request, InventoryRefreshed, timeout_s=_ANSWER_WITHIN_S, cause=cause
            )
        except MigrationError as error:
            return InventoryRefreshed(server_id=server_id, failure=error.failure)
