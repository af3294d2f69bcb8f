"""What the HTTPS API asks of source servers: lists, names, tags, states, bulk deletion, the quota."""

from __future__ import annotations

from collections import Counter
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.registry import CLASH, COPY_STATE_UNKNOWN, QUOTA
from contracts.messages.registry import DeleteServer
from contracts.messages.reply import Accepted
from contracts.messages.source import (
    MIGRATION_CYCLES,
    SOURCE_STATES,
    AdmitServer,
    DeletedServer,
    DeleteServers,
    FindServers,
    ListTags,
    ReportCopyState,
    ServerChanged,
    ServerOverview,
    ServersDeleted,
    ServerTags,
    ShowOverview,
    ShowSourceServer,
    SourceServer,
    SourceServerDetails,
    SourceServerPage,
    TagList,
    TagServer,
    UntagServer,
    UpdateServer,
)
from services.registry.domain.filters import is_wanted
from services.registry.domain.listing import show_source
from services.registry.domain.ports import Clock, Quotas, Servers
from services.registry.domain.server import Server, is_clashing, with_reported_state, with_wanted
from services.registry.domain.tags import with_tags
from services.registry.handlers import Handlers, LastSeen, known_server
from services.registry.progress import ProgressBoard
from services.registry.settings import RegistrySettings

# A bus message holds 900 KiB; the envelope and the field names of a page are in the reserve.
_PAGE_BYTES: Final = 700 * 1024
_ROWS_KEPT: Final = 20_000


class SourceHandlers:
    """Everything that the API asks; single deletions are those of Handlers."""

    def __init__(
        self,
        servers: Servers,
        single: Handlers,
        last_seen: LastSeen,
        progress: ProgressBoard,
        quotas: Quotas,
        settings: RegistrySettings,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._single = single
        self._last_seen = last_seen
        self._progress = progress
        self._quotas = quotas
        self._settings = settings
        self._clock = clock
        # Rows as they were shown, by account and id; most servers of a list are as they were at the last one.
        self._rows: dict[tuple[str, str], _Row] = {}

    async def find(self, request: FindServers, envelope: Envelope) -> SourceServerPage:
        """One page of those that the filters let through, oldest registration first."""
        wanted = [row for row in await self._all(envelope.account) if is_wanted(row.shown, request)]
        wanted.sort(key=lambda row: (row.shown.registered_at, row.shown.id))
        offset = max(request.offset, 0)
        page = _that_fit(wanted[offset : offset + max(request.limit, 0)])
        return SourceServerPage(count=len(wanted), servers=page)

    async def show(self, request: ShowSourceServer, envelope: Envelope) -> SourceServerDetails:
        """One server with everything that is known of it."""
        server = await known_server(self._servers, request.server_id, envelope)
        return SourceServerDetails(
            server=self._shown(server),
            inventory=await self._servers.inventory_of(server),
            feasibility=await self._servers.report_of(server),
        )

    async def update(self, request: UpdateServer, envelope: Envelope) -> Accepted:
        """Another name, another project, other disks on the target."""
        server = await known_server(self._servers, request.server_id, envelope)
        changed = with_wanted(server, request)
        if changed != server:
            await self._servers.save(changed, says=[_changed(changed)], cause=envelope)
        return Accepted(id=server.id)

    async def report_copy_state(self, request: ReportCopyState, envelope: Envelope) -> Accepted:
        """Keep where an agent says that its migration stands."""
        for what, text, known in (
            ("state", request.state, SOURCE_STATES),
            ("migration cycle", request.cycle, (*MIGRATION_CYCLES, "")),
        ):
            if text not in known:
                raise MigrationError(COPY_STATE_UNKNOWN, what=what, text=text[:80], known=", ".join(known))
        server = await known_server(self._servers, request.server_id, envelope)
        changed = with_reported_state(server, request.state, request.cycle, self._clock())
        if changed != server:
            await self._servers.save(changed, cause=envelope)
        return Accepted(id=server.id)

    async def delete_many(self, request: DeleteServers, envelope: Envelope) -> ServersDeleted:
        """Each on its own: one that is busy or unknown keeps no other."""
        deleted = []
        for server_id in dict.fromkeys(request.server_ids):
            try:
                await self._single.delete_server(DeleteServer(server_id=server_id), envelope)
            except MigrationError as error:
                deleted.append(DeletedServer(id=server_id, failure=error.failure))
            else:
                deleted.append(DeletedServer(id=server_id))
        return ServersDeleted(servers=tuple(deleted))

    async def overview(self, _: ShowOverview, envelope: Envelope) -> ServerOverview:
        """How many servers are in each state, and how many there may be."""
        servers = [row.shown for row in await self._all(envelope.account)]
        return ServerOverview(
            count=len(servers),
            quota=await self._quotas.of(envelope.account),
            connected=sum(server.is_connected for server in servers),
            unconfigured=sum(server.state == "waiting" and server.task is None for server in servers),
            states=dict(Counter(server.state for server in servers)),
        )

    async def tag(self, request: TagServer, envelope: Envelope) -> ServerTags:
        """Set tags."""
        server = await known_server(self._servers, request.server_id, envelope)
        return await self._with_tags(server, with_tags(server.id, server.tags, request.tags), envelope)

    async def untag(self, request: UntagServer, envelope: Envelope) -> ServerTags:
        """Remove tags."""
        server = await known_server(self._servers, request.server_id, envelope)
        kept = {key: value for key, value in server.tags.items() if key not in request.keys}
        return await self._with_tags(server, kept, envelope)

    async def list_tags(self, _: ListTags, envelope: Envelope) -> TagList:
        """Every key in use."""
        found: dict[str, set[str]] = {}
        for server in await self._servers.all_of(envelope.account):
            for key, value in server.tags.items():
                found.setdefault(key, set()).add(value)
        return TagList(tags={key: tuple(sorted(values)) for key, values in sorted(found.items())})

    async def admit(self, request: AdmitServer, envelope: Envelope) -> Accepted:
        """Whether a registration would be taken; asked before an agent of the API is told that it was."""
        server = await self._servers.load(envelope.account, request.server_id)
        if server is not None and is_clashing(server, self._clock()):
            raise MigrationError(CLASH, count=2, server_id=server.id, refuse_s=self._settings.refuse_s)
        if server is None:
            count, limit = await self._servers.count(envelope.account), await self._quotas.of(envelope.account)
            if count >= limit:
                raise MigrationError(
                    QUOTA, account=envelope.account, count=count, limit=limit, hostname=request.hostname[:64]
                )
        return Accepted(id=request.server_id if server else "")

    async def _with_tags(self, server: Server, tags: dict[str, str], envelope: Envelope) -> ServerTags:
        if tags != server.tags:
            changed = server.model_copy(update={"tags": tags})
            await self._servers.save(changed, says=[_changed(changed)], cause=envelope)
        return ServerTags(server_id=server.id, tags=tags)

    async def _all(self, account: str) -> list[_Row]:
        servers = await self._servers.all_of(account)
        if len(self._rows) > _ROWS_KEPT:
            self._rows.clear()
        return [self._row(server) for server in servers]

    def _row(self, server: Server) -> _Row:
        key = (server.account, server.id)
        known = self._rows.get(key)
        progress = self._progress.of(server)
        if known is not None and known.server is server and progress is None and server.refused_until is None:
            return known
        # When it was last heard is of no use in a list: whether it is connected says as much.
        row = _Row(server, show_source(server, self._clock(), None, progress))
        self._rows[key] = row
        return row

    def _shown(self, server: Server) -> SourceServer:
        last_seen_at = self._last_seen(server.account, server.id)
        return show_source(server, self._clock(), last_seen_at, self._progress.of(server))


def _changed(server: Server) -> tuple[str, ServerChanged]:
    changed = ServerChanged(server_id=server.id, name=server.name, project_id=server.project_id, tags=server.tags)
    return "changed", changed


class _Row:
    """A server as a list shows it, with its size in a message."""

    def __init__(self, server: Server, shown: SourceServer) -> None:
        self.server = server
        self.shown = shown
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Worked out when it is first asked for."""
        self._size_bytes = self._size_bytes or len(self.shown.model_dump_json())
        return self._size_bytes


def _that_fit(rows: list[_Row]) -> tuple[SourceServer, ...]:
    """The first ones that one message can carry; always at least one."""
    left = _PAGE_BYTES
    for number, row in enumerate(rows):
        left -= row.size_bytes
        if left < 0 and number:
            return tuple(each.shown for each in rows[:number])
    return tuple(row.shown for row in rows)
