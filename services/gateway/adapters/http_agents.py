"""Agents of HTTP in the store, with what they say in its outbox."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Final

from contracts.base import Message
from contracts.messages.agent import AgentInventory, AgentRegistered, AgentResult
from contracts.messages.agent_log import AgentLogChunk
from contracts.subjects import agent_status
from services.gateway.domain.http_agents import AgentTask, HttpAgent, Registration
from shared.bus import ServiceBus
from shared.store import Collection, ConflictError, OutgoingMessage, Store
from shared.store.typed import TypedCollection

HTTP_AGENTS: Final = Collection(name="http_agents")
REGISTRATIONS: Final = Collection(name="agent_registrations")
AGENT_TASKS: Final = Collection(name="agent_tasks", fields=("server_id",))
COLLECTIONS: Final = (HTTP_AGENTS, REGISTRATIONS, AGENT_TASKS)

_SOURCE: Final = "gateway"
_TASKS_PER_AGENT: Final = 100
_KINDS: Final[dict[type[Message], str]] = {
    AgentRegistered: "registered",
    AgentInventory: "inventory",
    AgentResult: "result",
    AgentLogChunk: "log",
}


class StoredHttpAgents:
    """The port HttpAgents."""

    def __init__(self, store: Store) -> None:
        self._agents = TypedCollection(store, HTTP_AGENTS, HttpAgent)
        self._registrations = TypedCollection(store, REGISTRATIONS, Registration)
        self._tasks = TypedCollection(store, AGENT_TASKS, AgentTask)

    async def load(self, account: str, server_id: str) -> HttpAgent | None:
        """See HttpAgents."""
        stored = await self._agents.load(account, server_id) if server_id else None
        return stored.value.model_copy(update={"version": stored.version}) if stored else None

    async def save(self, agent: HttpAgent, *, says: Sequence[Message] = ()) -> None:
        """See HttpAgents."""
        outbox = [_status(agent.account, agent.id, message) for message in says]
        await self._agents.save(agent.account, agent.id, agent, expected_version=agent.version, outbox=outbox)

    async def remove(self, account: str, server_id: str) -> None:
        """See HttpAgents."""
        agent = await self.load(account, server_id)
        if agent is None:
            return
        while tasks := await self.tasks_of(account, server_id):
            for task in tasks:
                await self.remove_task(task)
        registration = await self._registrations.load(account, server_id)
        if registration is not None:
            await self._registrations.delete(account, server_id, expected_version=registration.version)
        await self._agents.delete(account, server_id, expected_version=agent.version)

    async def all(self) -> AsyncIterator[HttpAgent]:
        """See HttpAgents."""
        async for stored in self._agents.find_all_accounts():
            yield stored.value.model_copy(update={"version": stored.version})

    async def load_registration(self, account: str, server_id: str) -> Registration:
        """See HttpAgents."""
        stored = await self._registrations.load(account, server_id)
        if stored is None:
            return Registration(text="")
        return stored.value.model_copy(update={"version": stored.version})

    async def save_registration(self, account: str, server_id: str, registration: Registration) -> None:
        """See HttpAgents."""
        await self._registrations.save(account, server_id, registration, expected_version=registration.version)

    async def load_task(self, account: str, task_id: str) -> AgentTask | None:
        """See HttpAgents."""
        stored = await self._tasks.load(account, task_id) if task_id else None
        return stored.value.model_copy(update={"version": stored.version}) if stored else None

    async def save_task(self, task: AgentTask, *, says: Sequence[Message] = ()) -> None:
        """See HttpAgents."""
        outbox = [_status(task.account, task.server_id, message) for message in says]
        await self._tasks.save(task.account, task.id, task, expected_version=task.version, outbox=outbox)

    async def tasks_of(self, account: str, server_id: str) -> list[AgentTask]:
        """See HttpAgents."""
        found = await self._tasks.find(account, {"server_id": server_id}, limit=_TASKS_PER_AGENT)
        return [stored.value.model_copy(update={"version": stored.version}) for stored in found]

    async def remove_task(self, task: AgentTask) -> None:
        """See HttpAgents."""
        try:
            await self._tasks.delete(task.account, task.id, expected_version=task.version)
        except ConflictError:
            newer = await self.load_task(task.account, task.id)
            if newer is not None:
                await self._tasks.delete(task.account, task.id, expected_version=newer.version)


class AgentsOnTheBus:
    """The port Bus."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def say(self, agent: HttpAgent, kind: str, message: Message) -> None:
        """See Bus."""
        subject = agent_status(agent.account, agent.id, kind)
        await self._bus.publish_core(
            subject, message, account=agent.account, actor=agent.user_name, message_id=_message_id(agent.id)
        )


def _status(account: str, server_id: str, message: Message) -> OutgoingMessage:
    return OutgoingMessage.of(
        agent_status(account, server_id, _KINDS[type(message)]),
        message,
        source=_SOURCE,
        account=account,
        message_id=_message_id(server_id),
    )


def _message_id(server_id: str) -> str:
    # Readers refuse a status whose id does not begin with its agent's.
    return f"{server_id}:{uuid.uuid4().hex}"
