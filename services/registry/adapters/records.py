"""Servers in the store, each change with its events in one write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from contracts import subjects
from contracts.base import Model
from contracts.envelope import Envelope
from contracts.errors import Failure
from contracts.messages.identity import RefuseAgent
from contracts.messages.registry import ServerRefused
from services.registry.domain.ports import Says
from services.registry.domain.server import Server
from shared.store import Collection, OutgoingMessage, Store
from shared.store.typed import Stored, TypedCollection

SERVICE: Final = "registry"
SERVERS: Final = Collection(name="servers", fields=("is_connected",))
REFUSALS: Final = Collection(name="refusals")


class Refusal(Model):
    """Why an agent could not register its server."""

    failure: Failure


def _loaded(stored: Stored[Server]) -> Server:
    return stored.value.model_copy(update={"version": stored.version})


def _refuse_command(account: str, server_id: str, failure: Failure, refuse_s: int, cause: Envelope) -> OutgoingMessage:
    return OutgoingMessage.of(
        subjects.cmd("identity", "refuse-agent"),
        RefuseAgent(agent_id=server_id, reason=f"{failure.code}: {failure.cause}", refuse_s=refuse_s),
        source=SERVICE,
        account=account,
        cause=cause,
    )


class ServerRecords:
    """The port Servers on the store."""

    def __init__(self, store: Store) -> None:
        self._servers = TypedCollection(store, SERVERS, Server)
        self._refusals = TypedCollection(store, REFUSALS, Refusal)

    async def load(self, account: str, server_id: str) -> Server | None:
        """See Servers."""
        stored = await self._servers.load(account, server_id) if server_id else None
        return _loaded(stored) if stored else None

    async def save(
        self, server: Server, *, says: Says = (), cause: Envelope | None = None, applied: str | None = None
    ) -> None:
        """See Servers."""
        await self._servers.save(
            server.account,
            server.id,
            server,
            expected_version=server.version,
            outbox=self._events(server, says, cause),
            applied=applied,
        )

    async def refuse(self, server: Server, failure: Failure, *, refuse_s: int, says: Says, cause: Envelope) -> None:
        """See Servers."""
        outbox = self._events(server, says, cause)
        outbox.append(_refuse_command(server.account, server.id, failure, refuse_s, cause))
        await self._servers.save(server.account, server.id, server, expected_version=server.version, outbox=outbox)

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
        events = self._events(server, says, cause)
        await self._servers.delete(server.account, server.id, expected_version=server.version, outbox=events)

    async def page(self, account: str, *, after: str, limit: int) -> list[Server]:
        """See Servers."""
        return [_loaded(stored) for stored in await self._servers.find(account, after=after, limit=limit)]

    async def count(self, account: str) -> int:
        """See Servers."""
        return await self._servers.count(account)

    async def all_connected(self) -> AsyncIterator[Server]:
        """See Servers."""
        async for stored in self._servers.find_all_accounts({"is_connected": True}):
            yield _loaded(stored)

    @staticmethod
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
