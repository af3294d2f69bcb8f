"""What the bridge between agents of HTTP and the bus needs of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.base import Message
from services.gateway.domain.http_agents import AgentTask, HttpAgent, Registration


class HttpAgents(Protocol):
    """Agents, their registrations and tasks; each write is atomic with the kept statuses that it says.

    says: messages of the kinds registered, inventory and result, in the agent's name. Writes raise ConflictError when
    the record has changed since it was loaded.
    """

    async def load(self, account: str, server_id: str) -> HttpAgent | None:
        """The agent of a server, None for servers with an agent on the bus and for unknown ones."""

    async def save(self, agent: HttpAgent, *, says: Sequence[Message] = ()) -> None:
        """Create (version 0) or replace it."""

    async def remove(self, account: str, server_id: str) -> None:
        """Forget it, its registration and its tasks with all secrets; nothing happens when there is none."""

    def all(self) -> AsyncIterator[HttpAgent]:
        """Of every account."""

    async def load_registration(self, account: str, server_id: str) -> Registration:
        """What the agent said of its machine."""

    async def save_registration(self, account: str, server_id: str, registration: Registration) -> None:
        """Create (version 0) or replace it."""

    async def load_task(self, account: str, task_id: str) -> AgentTask | None:
        """A task that has been commanded, or None."""

    async def save_task(self, task: AgentTask, *, says: Sequence[Message] = ()) -> None:
        """Create (version 0) or replace it."""

    async def tasks_of(self, account: str, server_id: str) -> list[AgentTask]:
        """All tasks of a server's agent."""

    async def remove_task(self, task: AgentTask) -> None:
        """Forget a task that has ended."""


@dataclass(frozen=True)
class NewKey:
    """A key pair's private key, sealed, and the certificate request for it."""

    sealed_key: str
    csr_pem: str


class AgentSecrets(Protocol):
    """Keys and passphrases of tasks; sealed texts open for the same account and task only."""

    def new_key(self, *, account: str, task_id: str) -> NewKey:
        """A key for the source's end of the task's channel."""

    def new_passphrase(self, *, account: str, task_id: str) -> str:
        """A random text, sealed."""

    def open(self, sealed: str, *, account: str, task_id: str) -> str:
        """Raises MigrationError SMS.AGENT.KEY_UNREADABLE."""


class Bus(Protocol):
    """What agents say that nobody keeps."""

    async def say(self, agent: HttpAgent, kind: str, message: Message) -> None:
        """Publish a heartbeat or progress in the agent's name. Raises MigrationError SMS.BUS.UNAVAILABLE."""
