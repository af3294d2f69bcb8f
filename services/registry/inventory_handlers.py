"""Has agents look at their servers again, and waits for what they find."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.platform import SERVICE_UNAVAILABLE
from contracts.errors.registry import INVENTORY_AGENT_AWAY, INVENTORY_NOT_SENT, SERVER_NOT_FOUND
from contracts.inventory import SourceInventory
from contracts.messages.agent import AgentInventory, CollectInventory, CommandAcknowledged
from contracts.messages.registry import InventoryRefreshed, RefreshInventory
from contracts.subjects import owner_of_agent_subject
from services.registry.domain.ports import Clock, Servers
from services.registry.log_handlers import ACKNOWLEDGED_WITHIN_S
from services.registry.settings import RegistrySettings

# Account, server, command, and the request that led to it. Raises MigrationError when the agent does not answer.
SendCommand = Callable[[str, str, CollectInventory, Envelope], Awaitable[CommandAcknowledged]]
Waiting = asyncio.Future[SourceInventory]


class InventoryHandlers:
    """send: the command as a request to the agent."""

    def __init__(self, servers: Servers, send: SendCommand, settings: RegistrySettings, clock: Clock) -> None:
        self._servers = servers
        self._send = send
        self._within_s: Final = settings.inventory_within_s
        self._clock = clock
        self._waiting: dict[tuple[str, str], set[Waiting]] = {}

    async def refresh(self, request: RefreshInventory, envelope: Envelope) -> InventoryRefreshed:
        """Raises SMS.REGISTRY.SERVER_NOT_FOUND. The inventory is also kept, as any that an agent sends."""
        account, server_id = envelope.account, request.server_id
        if await self._servers.load(account, server_id) is None:
            raise MigrationError(SERVER_NOT_FOUND, server_id=server_id)
        waiting: Waiting = asyncio.get_running_loop().create_future()
        # Before the command leaves: the answer may be here before its acknowledgement.
        others = self._waiting.setdefault((account, server_id), set())
        others.add(waiting)
        try:
            if failure := await self._command(server_id, envelope):
                return InventoryRefreshed(server_id=server_id, failure=failure)
            inventory = await asyncio.wait_for(waiting, self._within_s)
        except TimeoutError:
            failure = INVENTORY_NOT_SENT.failure(server_id=server_id, seconds=f"{self._within_s:g}")
            return InventoryRefreshed(server_id=server_id, failure=failure)
        finally:
            others.discard(waiting)
            if not others:
                self._waiting.pop((account, server_id), None)
        return InventoryRefreshed(server_id=server_id, inventory=inventory)

    async def on_inventory(self, message: AgentInventory, envelope: Envelope) -> None:
        """Hand it to whoever waits for it."""
        for waiting in self._waiting.get(owner_of_agent_subject(envelope.subject), ()):
            if not waiting.done():
                waiting.set_result(message.inventory)

    async def _command(self, server_id: str, envelope: Envelope) -> Failure | None:
        """Why the agent will not look; None when it will."""
        command = CollectInventory(task_id="", epoch=int(self._clock().timestamp() * 1000))
        try:
            return (await self._send(envelope.account, server_id, command, envelope)).failure
        except MigrationError as error:
            if error.code != SERVICE_UNAVAILABLE.code:
                raise
            return INVENTORY_AGENT_AWAY.failure(server_id=server_id, seconds=f"{ACKNOWLEDGED_WITHIN_S:g}")
