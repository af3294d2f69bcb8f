"""The registry over the bus."""

from __future__ import annotations

from contracts import subjects
from contracts.envelope import Envelope
from contracts.messages.registry import ServerDetails, ShowServer
from shared.bus import ServiceBus


class RegistryOnTheBus:
    """The port Servers."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def show(self, server_id: str, cause: Envelope) -> ServerDetails:
        """The server with inventory and feasibility."""
        return await self._bus.request(
            subjects.req("registry", "show"), ShowServer(server_id=server_id), ServerDetails, cause=cause
        )
