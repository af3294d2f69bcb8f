"""Heartbeats of agents that speak HTTP: each of their requests is a sign of life."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from contracts.base import Message
from contracts.errors import MigrationError
from contracts.messages.agent import AgentHeartbeat
from services.gateway.domain.agent_ports import Bus
from services.gateway.domain.http_agents import HttpAgent
from shared.telemetry import log

# The registry takes 45 s of silence for an absence, so that an agent has to ask at least that often.
_HEARTBEAT_EVERY_S: Final = 5.0
_REMEMBERED: Final = 10_000


class Presence:
    """Says the heartbeats that an agent on the bus would say, at most one in five seconds for each.

    monotonic_s: seconds of a clock that no step moves.
    """

    def __init__(self, bus: Bus, monotonic_s: Callable[[], float]) -> None:
        self._bus = bus
        self._monotonic_s = monotonic_s
        self._said_at_s: dict[tuple[str, str], float] = {}

    async def heard(self, agent: HttpAgent) -> None:
        """The agent has asked or said something. What cannot be said now is said at its next request."""
        key = (agent.account, agent.session_id)
        now_s = self._monotonic_s()
        if now_s - self._said_at_s.get(key, -_HEARTBEAT_EVERY_S) < _HEARTBEAT_EVERY_S:
            return
        heartbeat = AgentHeartbeat(role="source", session_id=agent.session_id, agent_version=agent.agent_version)
        await self.say(agent, "heartbeat", heartbeat)
        if len(self._said_at_s) >= _REMEMBERED:
            self._said_at_s.clear()
        self._said_at_s[key] = now_s

    async def say(self, agent: HttpAgent, kind: str, message: Message) -> None:
        """Say what is old after seconds: it may be lost."""
        try:
            await self._bus.say(agent, kind, message)
        except MigrationError as error:
            log("status of an agent not said", level=logging.DEBUG, kind=kind, error=error)
