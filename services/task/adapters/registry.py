"""The registry over the bus."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.messages.registry import ServerDetails, ShowServer
from contracts.messages.source import FindServers, SourceServer, SourceServerPage
from shared.bus import ServiceBus

_PAGE: Final = 200


class RegistryOnTheBus:
    """The ports Servers, ServersByProject and TaggedServers."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def show(self, server_id: str, cause: Envelope) -> ServerDetails:
        """The server with inventory and feasibility."""
        return await self._bus.request(
            subjects.req("registry", "show"), ShowServer(server_id=server_id), ServerDetails, cause=cause
        )

    async def count_by_project(self, cause: Envelope) -> Mapping[str, int]:
        """See ServersByProject."""
        return Counter([server.project_id async for server in self._find(FindServers(limit=_PAGE), cause)])

    async def tagged(self, tags: Mapping[str, str], cause: Envelope) -> tuple[str, ...]:
        """See TaggedServers."""
        wanted = FindServers(tags=dict(tags), limit=_PAGE)
        return tuple([server.id async for server in self._find(wanted, cause)])

    async def _find(self, wanted: FindServers, cause: Envelope) -> AsyncIterator[SourceServer]:
        """Every server, page by page: a page ends where a message would grow too large."""
        offset = 0
        while True:
            page = await self._bus.request(
                subjects.req("registry", "find"),
                wanted.model_copy(update={"offset": offset}),
                SourceServerPage,
                cause=cause,
            )
            for server in page.servers:
                yield server
            offset += len(page.servers)
            if not page.servers or offset >= page.count:
                return
