"""What the task service needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from contracts.envelope import Envelope
from contracts.messages.metering import Balance
from contracts.messages.registry import ServerDetails
from contracts.messages.task import HistoryEntry
from services.task.domain.instructions import AddressedCommand, ServiceCommand
from services.task.domain.task import Task

Clock = Callable[[], datetime]


class Servers(Protocol):
    """The registry, as far as a task asks it."""

    async def show(self, server_id: str, cause: Envelope) -> ServerDetails:
        """The server with inventory and feasibility. Raises the registry's MigrationError when it is unknown."""


class Balances(Protocol):
    """Metering, as far as a task asks it."""

    async def check(self, cause: Envelope) -> Balance | None:
        """The account's balance against the minimum; None when nobody answers (docs/decisions/0022)."""


class Tasks(Protocol):
    """The records of tasks. A write is atomic with the messages that follow from it (`domain.outgoing`)."""

    async def load(self, account: str, task_id: str) -> Task:
        """Raises MigrationError SMS.TASK.NOT_FOUND."""

    async def create(self, task: Task, cause: Envelope) -> None:
        """Raises MigrationError SMS.TASK.SERVER_BUSY when the server has a task that has not ended."""

    async def change(self, task: Task, cause: Envelope, *, besides: Sequence[ServiceCommand] = ()) -> None:
        """Write the transition that led to task.version; besides: commands that go out with it and are not the
        running step's. Raises ConflictError, AlreadyAppliedError."""

    async def all_running(self) -> list[Task]:
        """Of every account: tasks in which a step runs."""

    async def page(self, account: str, server_id: str, after: str, limit: int) -> list[Task]:
        """Tasks ordered by id."""

    async def count(self, account: str, server_id: str) -> int:
        """How many `page` goes through."""

    async def history(self, account: str, task_id: str) -> list[HistoryEntry]:
        """Every transition, oldest first."""


class Lane(Protocol):
    """Says a step's command to its agent until the agent has acknowledged it."""

    def notice(self, task: Task) -> None:
        """The task has changed: its newest command supersedes what was being said for it."""

    async def tell(self, task: Task, command: AddressedCommand) -> bool:
        """Say something else once; whether the agent has acknowledged it."""
