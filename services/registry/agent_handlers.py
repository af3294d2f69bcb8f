"""What agents say: registrations, inventories, heartbeats; and what their silence means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors.registry import CLASH, QUOTA
from contracts.inventory import SourceInventory
from contracts.messages.agent import AgentHeartbeat, AgentInventory, AgentRegistered
from contracts.messages.registry import (
    ServerClashed,
    ServerConnected,
    ServerDisconnected,
    ServerRegistered,
    ServerUpdated,
)
from contracts.subjects import owner_of_agent_subject
from services.registry.domain.ports import Clock, Quotas, Servers
from services.registry.domain.presence import Presence, hear, is_silent
from services.registry.domain.server import (
    has_inventory,
    is_clashing,
    new_server,
    placed,
    same_machines,
    with_inventory,
)
from services.registry.settings import RegistrySettings
from shared.store import ConflictError
from shared.telemetry import log

_CONFLICT_RETRIES: Final = 5
# An agent's clock may differ by as much as its login allows.
_CLOCK_SKEW_S: Final = 300

Key = tuple[str, str]


class AgentHandlers:
    """Keeps in memory who was heard when (heartbeats change no record), and writes down what changes.

    clock: UTC, for what is shown. monotonic_s: for silence, which a step of the clock must not feign.
    """

    def __init__(
        self,
        servers: Servers,
        quotas: Quotas,
        settings: RegistrySettings,
        clock: Clock,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._servers = servers
        self._quotas = quotas
        self._settings = settings
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._presences: dict[Key, Presence] = {}

    def last_seen_at(self, account: str, server_id: str) -> datetime | None:
        """When the server was last heard, as far as this process knows."""
        presence = self._presences.get((account, server_id))
        if presence is None:
            return None
        return self._clock() - timedelta(seconds=self._monotonic_s() - presence.seen_at_s)

    async def remember_connected(self) -> None:
        """At start: who was connected gets a full period of silence before it counts as gone."""
        now_s = self._monotonic_s()
        async for server in self._servers.all_connected():
            # Its session is left open: the agent may have been restarted while the registry was away.
            self._presences[server.account, server.id] = Presence(session_id="", seen_at_s=now_s, is_known=True)

    async def on_registered(self, message: AgentRegistered, envelope: Envelope) -> None:
        """A source agent has started."""
        if message.role == "source" and message.inventory is not None:
            await self._take_inventory(message.session_id, message.inventory, envelope)

    async def on_inventory(self, message: AgentInventory, envelope: Envelope) -> None:
        """A source agent's inventory has changed."""
        await self._take_inventory(message.session_id, message.inventory, envelope)

    async def on_heartbeat(self, message: AgentHeartbeat, envelope: Envelope) -> None:
        """A source agent is alive."""
        if message.role != "source":
            return
        key = owner_of_agent_subject(envelope.subject)
        heard = hear(self._presences.get(key), message.session_id, now_s=self._monotonic_s())
        self._presences[key] = heard.presence
        if heard.is_clash:
            await self._retried(lambda: self._refuse_both(key, envelope))
        elif not heard.presence.is_known:
            await self._retried(lambda: self._connect(key, message, envelope))

    async def watch_silence(self) -> None:
        """Look for silent servers until cancelled."""
        while True:
            await asyncio.sleep(self._settings.silence_check_interval_s)
            await self.disconnect_silent()

    async def disconnect_silent(self) -> None:
        """Write down who has not been heard for silence_s."""
        now_s = self._monotonic_s()
        for key, presence in list(self._presences.items()):
            if not is_silent(presence, now_s=now_s, silence_s=self._settings.silence_s):
                continue
            if presence.is_known:
                await self._retried(lambda key=key: self._disconnect(key))  # type: ignore[misc]
            if self._presences.get(key) == presence:
                del self._presences[key]

    async def _take_inventory(self, session_id: str, inventory: SourceInventory, envelope: Envelope) -> None:
        account, server_id = owner_of_agent_subject(envelope.subject)
        known = await self._servers.load(account, server_id)
        if known is None:
            await self._register(account, server_id, session_id, inventory, envelope)
            return
        if is_clashing(known, self._clock()):
            return
        updated = with_inventory(known, inventory)
        is_newer = not has_inventory(known, inventory)
        says: list[tuple[str, Message]] = []
        if is_newer:
            says.append(("updated", ServerUpdated(server_id=server_id, name=updated.name, inventory=inventory)))
        update: dict[str, object] = {"session_id": session_id}
        is_here = self._is_recent(envelope)
        if is_here and not known.is_connected:
            update |= self._newly_connected()
            says.append(("connected", ServerConnected(server_id=server_id)))
        await self._servers.save(
            placed(updated.model_copy(update=update), self._clock()),
            says=says,
            cause=envelope,
            applied=envelope.id,
            inventory=inventory if is_newer else None,
        )
        if is_here:
            self._note_presence((account, server_id))

    async def _register(
        self, account: str, server_id: str, session_id: str, inventory: SourceInventory, envelope: Envelope
    ) -> None:
        count, limit = await self._servers.count(account), await self._quotas.of(account)
        if count >= limit:
            failure = QUOTA.failure(account=account, count=count, limit=limit, hostname=inventory.hostname)
            log("server refused", code=failure.code, account=account, server_id=server_id, count=count, limit=limit)
            await self._servers.refuse_unknown(
                account, server_id, failure, refuse_s=self._settings.refuse_s, cause=envelope
            )
            return
        server = new_server(server_id, account, inventory, session_id=session_id, now=self._clock())
        server = server.model_copy(
            update={"may_be_same_as": same_machines(server, await self._servers.all_of(account))}
        )
        says: list[tuple[str, Message]] = [
            ("registered", ServerRegistered(server_id=server_id, name=server.name, inventory=inventory)),
            ("connected", ServerConnected(server_id=server_id)),
        ]
        await self._servers.save(server, says=says, cause=envelope, applied=envelope.id, inventory=inventory)
        self._note_presence((account, server_id))

    def _newly_connected(self) -> dict[str, object]:
        now = self._clock()
        return {"is_connected": True, "refused_until": None, "last_seen_at": now, "connection_changed_at": now}

    def _is_recent(self, envelope: Envelope) -> bool:
        # A status that was kept while the registry was away tells nothing of who is there now.
        return (self._clock() - envelope.time).total_seconds() < _CLOCK_SKEW_S + self._settings.silence_s

    def _note_presence(self, key: Key) -> None:
        # Kept statuses may come late and out of order: they open a presence, but only heartbeats name sessions.
        now_s = self._monotonic_s()
        self._presences[key] = _known(self._presences.get(key) or Presence(session_id="", seen_at_s=now_s))

    async def _connect(self, key: Key, message: AgentHeartbeat, envelope: Envelope) -> None:
        server = await self._servers.load(*key)
        # An agent whose server was deleted or refused counts again when it registers anew.
        if server is None or is_clashing(server, self._clock()):
            return
        if not server.is_connected:
            update = self._newly_connected() | {
                "session_id": message.session_id,
                "agent_version": message.agent_version or server.agent_version,
            }
            says = [("connected", ServerConnected(server_id=server.id))]
            changed = placed(server.model_copy(update=update), self._clock())
            await self._servers.save(changed, says=says, cause=envelope)
        self._note_presence(key)

    async def _disconnect(self, key: Key) -> None:
        server = await self._servers.load(*key)
        if server is None or not server.is_connected:
            return
        now = self._clock()
        update = {
            "is_connected": False,
            "last_seen_at": self.last_seen_at(*key) or now,
            "connection_changed_at": now,
        }
        says = [("disconnected", ServerDisconnected(server_id=server.id))]
        await self._servers.save(server.model_copy(update=update), says=says)

    async def _refuse_both(self, key: Key, envelope: Envelope) -> None:
        server = await self._servers.load(*key)
        now = self._clock()
        if server is None or is_clashing(server, now):
            return
        refuse_s = self._settings.refuse_s
        failure = CLASH.failure(count=2, server_id=server.id, refuse_s=refuse_s)
        update = {
            "is_connected": False,
            "refused_until": now + timedelta(seconds=refuse_s),
            "session_id": "",
            "connection_changed_at": now if server.is_connected else server.connection_changed_at,
        }
        says: list[tuple[str, Message]] = [("clashed", ServerClashed(server_id=server.id))]
        if server.is_connected:
            says.append(("disconnected", ServerDisconnected(server_id=server.id)))
        log("agents clash", code=failure.code, account=key[0], server_id=server.id)
        await self._servers.refuse(
            placed(server.model_copy(update=update), now), failure, refuse_s=refuse_s, says=says, cause=envelope
        )
        self._presences.pop(key, None)

    async def _retried(self, work: Callable[[], Awaitable[None]]) -> None:
        for attempt in range(_CONFLICT_RETRIES):
            try:
                await work()
                return
            except ConflictError:
                if attempt == _CONFLICT_RETRIES - 1:
                    raise


def _known(presence: Presence) -> Presence:
    return Presence(
        session_id=presence.session_id, seen_at_s=presence.seen_at_s, replaced=presence.replaced, is_known=True
    )
