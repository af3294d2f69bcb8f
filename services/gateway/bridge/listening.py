"""On whose behalf this process listens: one subscription per agent of HTTP, shared by all replicas of the gateway.

A subscription to all agents would be simpler, yet every command to an agent on the bus would then find a listener,
and the task service could no longer tell an agent that is away from one that is slow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from contracts.errors import MigrationError
from contracts.subjects import agent_command
from services.gateway.bridge.commands import COMMANDS, CommandKeeper
from services.gateway.domain.agent_ports import HttpAgents
from shared.bus import ServiceBus
from shared.store import StoreUnavailableError
from shared.telemetry import log

Key = tuple[str, str]


class AgentListener:
    """refresh_s: how long another replica's new agent may stay unheard here."""

    def __init__(self, bus: ServiceBus, agents: HttpAgents, keeper: CommandKeeper, *, refresh_s: float) -> None:
        self._bus = bus
        self._agents = agents
        self._keeper = keeper
        self._refresh_s = refresh_s
        self._ends: dict[Key, Callable[[], Awaitable[None]]] = {}
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            try:
                await self.refresh()
            except (StoreUnavailableError, MigrationError) as error:
                log("agents of HTTP not read", level=logging.WARNING, error=error)
            await asyncio.sleep(self._refresh_s)

    async def refresh(self) -> None:
        """Listen for all agents of the store, and for no other."""
        wanted = {(agent.account, agent.id) async for agent in self._agents.all()}
        for key in wanted - self._ends.keys():
            await self.listen(*key)
        for key in self._ends.keys() - wanted:
            # It may have been registered here after the store was read.
            if await self._agents.load(*key) is None:
                await self.leave(*key)

    async def listen(self, account: str, server_id: str) -> None:
        """From now on. Nothing happens when it does so already."""
        async with self._one_at_a_time:
            if (account, server_id) in self._ends:
                return
            subjects = agent_command(account, server_id, "any").removesuffix("any") + "*"
            self._ends[account, server_id] = await self._bus.answer_from_now(subjects, COMMANDS, self._keeper.receive)

    async def leave(self, account: str, server_id: str) -> None:
        """No longer."""
        async with self._one_at_a_time:
            end = self._ends.pop((account, server_id), None)
            if end is not None:
                await end()
