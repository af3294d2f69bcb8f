"""What the HTTPS API asks of source servers: lists, names, tags, states, bulk deletion, the quota."""

from __future__ import annotations

from collections import Counter

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
    FindServerTexts,
    ListTags,
    ReportCopyState,
    ServerChanged,
    ServerOverview,
    ServersDeleted,
    ServerTags,
    ServerTexts,
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
from services.registry.domain.filters import has_filter, is_wanted
from services.registry.domain.listing import show_source
from services.registry.domain.ports import Clock, Quotas, Servers
from services.registry.domain.rows import Row, first_that_fit
from services.registry.domain.server import Server, is_clashing, with_reported_state, with_wanted
from services.registry.domain.tags import with_tags
from services.registry.handlers import Handlers, LastSeen, known_server
from services.registry.progress import ProgressBoard
from services.registry.settings import RegistrySettings


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
        # Rows as they were shown, by account; most servers of a list are as they were at the last one.
        self._rows: dict[str, dict[str, Row]] = {}

    async def find(self, request: FindServers, envelope: Envelope) -> SourceServerPage:
        """One page of those that the filters let through, oldest registration first."""
        wanted = await self._wanted(request, envelope.account)
        page = first_that_fit(_page_of(wanted, request), lambda row: row.shown_bytes)
        return SourceServerPage(count=len(wanted), servers=tuple(row.shown for row in page))

    async def find_texts(self, request: FindServerTexts, envelope: Envelope) -> ServerTexts:
        """As `find`, each server as text."""
        wanted = await self._wanted(request, envelope.account)
        page = first_that_fit(_page_of(wanted, request), lambda row: row.text_bytes)
        return ServerTexts(count=len(wanted), servers=tuple(row.text for row in page))

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

    async def _wanted(self, request: FindServers, account: str) -> list[Row]:
        rows = await self._all(account)
        if has_filter(request):
            rows = [row for row in rows if is_wanted(row.shown, request)]
        return sorted(rows, key=lambda row: row.place)

    async def _all(self, account: str) -> list[Row]:
        servers = await self._servers.all_of(account)
        known = self._rows.get(account, {})
        rows = [row if (row := known.get(each.id)) and row.is_of(each) else self._row(each) for each in servers]
        self._rows[account] = {row.shown.id: row for row in rows}
        return rows

    def _row(self, server: Server) -> Row:
        # When it was last heard is of no use in a list: whether it is connected says as much.
        return Row(server, show_source(server, self._clock(), None, self._progress.of(server)))

    def _shown(self, server: Server) -> SourceServer:
        last_seen_at = self._last_seen(server.account, server.id)
        return show_source(server, self._clock(), last_seen_at, self._progress.of(server))


def _changed(server: Server) -> tuple[str, ServerChanged]:
    changed = ServerChanged(server_id=server.id, name=server.name, project_id=server.project_id, tags=server.tags)
    return "changed", changed


def _page_of(rows: list[Row], request: FindServers) -> list[Row]:
    offset = max(request.offset, 0)
    return rows[offset : offset + max(request.limit, 0)]
