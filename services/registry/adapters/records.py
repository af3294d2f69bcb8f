"""Servers in the store, each change with its events in one write; inventories and reports lie beside them."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Final

from contracts import subjects
from contracts.base import Model
from contracts.envelope import Envelope
from contracts.errors import Failure
from contracts.feasibility import FeasibilityReport
from contracts.inventory import SourceInventory
from contracts.messages.identity import RefuseAgent
from contracts.messages.registry import ServerRefused
from services.registry.adapters.known_servers import KnownServers
from services.registry.domain.ports import Says
from services.registry.domain.server import Server
from shared.store import Collection, ConflictError, OutgoingMessage, Record, Store
from shared.store.typed import Stored, TypedCollection

SERVICE: Final = "registry"
SERVERS: Final = Collection(name="servers", fields=("is_connected",))
# Written once and never changed, so that a server's record can name one: it has no version of its own.
PAPERS: Final = Collection(name="server_papers", fields=("server_id",))
REFUSALS: Final = Collection(name="refusals")
_PAGE: Final = 1000
_PAPERS_PAGE: Final = 100
# More than so many changed servers are read faster with all others.
_FEW: Final = 50
# A server that was deleted and registered anew, both through another replica, may bear a version that was read here
# before: after this time everything is read again.
_TRUSTED_S: Final = 30.0


class Refusal(Model):
    """Why an agent could not register its server."""

    failure: Failure


class Paper(Model):
    """An inventory or a report, as text."""

    server_id: str
    text: str


class ServerRecords:
    """The port Servers on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._servers = TypedCollection(store, SERVERS, Server)
        self._papers = TypedCollection(store, PAPERS, Paper)
        self._refusals = TypedCollection(store, REFUSALS, Refusal)
        self._known = KnownServers()
        self._trusted_at_s: dict[str, float] = {}

    async def load(self, account: str, server_id: str) -> Server | None:
        """See Servers."""
        stored = await self._servers.load(account, server_id) if server_id else None
        return _loaded(stored) if stored else None

    async def save(
        self,
        server: Server,
        *,
        says: Says = (),
        cause: Envelope | None = None,
        applied: str | None = None,
        inventory: SourceInventory | None = None,
        report: FeasibilityReport | None = None,
    ) -> None:
        """See Servers."""
        papers: list[Record] = []
        replaced: list[str] = []
        for name, paper in (("inventory", inventory), ("report", report)):
            if paper is None:
                continue
            key = f"{server.id}:{name}:{uuid.uuid4().hex}"
            text = Paper(server_id=server.id, text=paper.model_dump_json())
            papers.append(self._papers.record(server.account, key, text))
            replaced.append(server.inventory_key if name == "inventory" else server.report_key)
            older = "inventory_json" if name == "inventory" else "feasibility_json"
            server = server.model_copy(update={f"{name}_key": key, older: ""})
        await self._write(server, outbox=_events(server, says, cause), applied=applied, also=papers)
        await self._remove_papers(server.account, [key for key in replaced if key])

    async def inventory_of(self, server: Server) -> SourceInventory:
        """See Servers."""
        text = server.inventory_json or await self._text(server.account, server.inventory_key)
        if not text:
            # Replaced since the server was read; the record names the newer one.
            newer = await self.load(server.account, server.id)
            text = await self._text(server.account, newer.inventory_key) if newer else ""
        return SourceInventory.model_validate_json(text)

    async def report_of(self, server: Server) -> FeasibilityReport | None:
        """See Servers."""
        text = server.feasibility_json or await self._text(server.account, server.report_key)
        return FeasibilityReport.model_validate_json(text) if text else None

    async def refuse(self, server: Server, failure: Failure, *, refuse_s: int, says: Says, cause: Envelope) -> None:
        """See Servers."""
        outbox = _events(server, says, cause)
        outbox.append(_refuse_command(server.account, server.id, failure, refuse_s, cause))
        await self._write(server, outbox=outbox)

    async def refuse_unknown(
        self, account: str, server_id: str, failure: Failure, *, refuse_s: int, cause: Envelope
    ) -> None:
        """See Servers."""
        known = await self._refusals.load(account, server_id)
        event = OutgoingMessage.of(
            subjects.evt(account, "server", server_id, "refused"),
            ServerRefused(server_id=server_id, failure=failure),
            source=SERVICE,
            account=account,
            cause=cause,
        )
        await self._refusals.save(
            account,
            server_id,
            Refusal(failure=failure),
            expected_version=known.version if known else 0,
            outbox=[event, _refuse_command(account, server_id, failure, refuse_s, cause)],
            applied=cause.id,
        )

    async def remove(self, server: Server, *, says: Says, cause: Envelope) -> None:
        """See Servers."""
        events = _events(server, says, cause)
        await self._servers.delete(server.account, server.id, expected_version=server.version, outbox=events)
        self._known.removed(server.account, server.id)
        while page := await self._papers.find(server.account, {"server_id": server.id}, limit=_PAPERS_PAGE):
            await self._remove_papers(server.account, [paper.id for paper in page])

    async def page(self, account: str, *, after: str, limit: int) -> list[Server]:
        """See Servers."""
        return [_loaded(stored) for stored in await self._servers.find(account, after=after, limit=limit)]

    async def all_of(self, account: str) -> list[Server]:
        """See Servers."""
        mark = await self._store.foreign_writes()

        async def read(known: dict[str, Server]) -> dict[str, Server]:
            return await self._changed(account, known)

        return await self._known.all_of(account, mark=mark, read=read)

    async def _changed(self, account: str, known: dict[str, Server]) -> dict[str, Server]:
        """The present servers: those that are known and unchanged, the others read."""
        now_s = time.monotonic()
        if now_s - self._trusted_at_s.get(account, -_TRUSTED_S) >= _TRUSTED_S:
            read = await self._every(account)
            self._trusted_at_s[account] = now_s
            return read
        versions = await self._store.versions(SERVERS.name, account)
        changed = [each for each, version in versions.items() if each not in known or known[each].version != version]
        read = await (self._each(account, changed) if len(changed) <= _FEW else self._every(account))
        together = {**known, **read}
        return {each: together[each] for each in versions if each in together}

    async def _write(
        self,
        server: Server,
        *,
        outbox: Sequence[OutgoingMessage],
        applied: str | None = None,
        also: Sequence[Record] = (),
    ) -> None:
        version = await self._servers.save(
            server.account,
            server.id,
            server,
            expected_version=server.version,
            outbox=outbox,
            applied=applied,
            also=also,
        )
        self._known.saved(server.model_copy(update={"version": version}))

    async def _each(self, account: str, server_ids: Sequence[str]) -> dict[str, Server]:
        loaded = [await self.load(account, server_id) for server_id in server_ids]
        return {server.id: server for server in loaded if server is not None}

    async def _every(self, account: str) -> dict[str, Server]:
        read: dict[str, Server] = {}
        while page := await self.page(account, after=max(read, default=""), limit=_PAGE):
            read |= {server.id: server for server in page}
        return read

    async def count(self, account: str) -> int:
        """See Servers."""
        return await self._servers.count(account)

    async def all_connected(self) -> AsyncIterator[Server]:
        """See Servers."""
        async for stored in self._servers.find_all_accounts({"is_connected": True}):
            yield _loaded(stored)

    async def _text(self, account: str, key: str) -> str:
        stored = await self._papers.load(account, key) if key else None
        return stored.value.text if stored else ""

    async def _remove_papers(self, account: str, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await self._papers.delete(account, key, expected_version=1)
            except ConflictError:
                # Somebody else has removed it.
                continue


def _loaded(stored: Stored[Server]) -> Server:
    return stored.value.model_copy(update={"version": stored.version})


def _events(server: Server, says: Says, cause: Envelope | None) -> list[OutgoingMessage]:
    return [
        OutgoingMessage.of(
            subjects.evt(server.account, "server", server.id, word),
            message,
            source=SERVICE,
            account=server.account,
            cause=cause,
            message_id="" if server.version == 0 else f"{server.id}:{server.version + 1}:{word}",
        )
        for word, message in says
    ]


def _refuse_command(account: str, server_id: str, failure: Failure, refuse_s: int, cause: Envelope) -> OutgoingMessage:
    return OutgoingMessage.of(
        subjects.cmd("identity", "refuse-agent"),
        RefuseAgent(agent_id=server_id, reason=f"{failure.code}: {failure.cause}", refuse_s=refuse_s),
        source=SERVICE,
        account=account,
        cause=cause,
    )
