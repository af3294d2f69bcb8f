"""One coroutine per request of the older messages and per event of another service: load, decide, save."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.registry import SERVER_BUSY, SERVER_NOT_FOUND
from contracts.messages.feasibility import FeasibilityChecked
from contracts.messages.registry import (
    DeleteServer,
    ListServers,
    ServerDeleted,
    ServerDetails,
    ServerList,
    ShowServer,
)
from contracts.messages.reply import Accepted
from contracts.messages.task import Phase, TaskChanged, TaskCreated
from services.registry.domain.listing import show
from services.registry.domain.ports import Clock, Servers
from services.registry.domain.server import Server, with_report, with_task
from services.registry.progress import ProgressBoard

_LONGEST_PAGE: Final = 1000

LastSeen = Callable[[str, str], datetime | None]


class Handlers:
    """What the registry is asked over the bus and told by services. last_seen: by account and server."""

    def __init__(self, servers: Servers, last_seen: LastSeen, progress: ProgressBoard, clock: Clock) -> None:
        self._servers = servers
        self._last_seen = last_seen
        self._progress = progress
        self._clock = clock

    async def list_servers(self, request: ListServers, envelope: Envelope) -> ServerList:
        """Servers in the order of their ids."""
        limit = min(max(request.limit, 1), _LONGEST_PAGE)
        page = await self._servers.page(envelope.account, after=request.after, limit=limit)
        now = self._clock()
        views = tuple(show(server, now, self._last_seen(server.account, server.id)) for server in page)
        # A list that is whole is its own count: asked for separately, a server could come or go in between.
        is_whole = not request.after and len(page) < limit
        count = len(page) if is_whole else await self._servers.count(envelope.account)
        return ServerList(count=count, servers=views)

    async def show_server(self, request: ShowServer, envelope: Envelope) -> ServerDetails:
        """One server with inventory and report."""
        server = await known_server(self._servers, request.server_id, envelope)
        view = show(server, self._clock(), self._last_seen(server.account, server.id))
        return ServerDetails(
            server=view,
            inventory=await self._servers.inventory_of(server),
            feasibility=await self._servers.report_of(server),
        )

    async def delete_server(self, request: DeleteServer, envelope: Envelope) -> Accepted:
        """Remove it from the list. An agent that is started again later registers it anew."""
        server = await known_server(self._servers, request.server_id, envelope)
        if server.has_running_task:
            raise MigrationError(
                SERVER_BUSY, server_id=server.id, task_id=server.task_id, phase=server.task_phase or "READY"
            )
        await self._servers.remove(server, says=[("deleted", ServerDeleted(server_id=server.id))], cause=envelope)
        self._progress.forget(server.account, server.id)
        return Accepted(id=server.id)

    async def on_checked(self, event: FeasibilityChecked, envelope: Envelope) -> None:
        """Keep the report with the server."""
        server = await self._servers.load(envelope.account, event.server_id)
        if server is not None:
            checked = with_report(server, event.report, self._clock())
            await self._servers.save(checked, applied=envelope.id, report=event.report)

    async def on_task_created(self, event: TaskCreated, envelope: Envelope) -> None:
        """A task holds the server from now on."""
        news = TaskChanged(
            task_id=event.task_id,
            server_id=event.server_id,
            version=0,
            event="created",
            from_phase=Phase.READY,
            to_phase=Phase.READY,
            state="READY",
        )
        await self.on_task_changed(news, envelope)

    async def on_task_changed(self, event: TaskChanged, envelope: Envelope) -> None:
        """The task has moved on."""
        server = await self._servers.load(envelope.account, event.server_id)
        changed = with_task(self._progress.take(server), event, self._clock()) if server else None
        if changed is not None:
            await self._servers.save(changed, applied=envelope.id)


async def known_server(servers: Servers, server_id: str, envelope: Envelope) -> Server:
    """Raises MigrationError SMS.REGISTRY.SERVER_NOT_FOUND, also for another account's server."""
    server = await servers.load(envelope.account, server_id)
    if server is None:
        raise MigrationError(SERVER_NOT_FOUND, server_id=server_id)
    return server
