"""What the task service needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from contracts.envelope import Envelope
from contracts.messages.metering import Balance
from contracts.messages.migration_project import ProjectChanged
from contracts.messages.registry import ServerDetails
from contracts.messages.task import CreateTask, HistoryEntry, ListTasks
from contracts.verification import VerificationDocument
from services.task.domain.choosing import Chosen
from services.task.domain.instructions import AddressedCommand, ServiceCommand
from services.task.domain.offer import Agreement
from services.task.domain.projects import ProjectBook
from services.task.domain.task import Task
from services.task.domain.templates import Template
from services.task.domain.waves import Member, TaskGlance, Wave

Clock = Callable[[], datetime]


class Servers(Protocol):
    """The registry, as far as a task asks it."""

    async def show(self, server_id: str, cause: Envelope) -> ServerDetails:
        """The server with inventory and feasibility. Raises the registry's MigrationError when it is unknown."""


class Balances(Protocol):
    """Metering, as far as a task asks it."""

    async def check(self, cause: Envelope) -> Balance | None:
        """The account's balance against the minimum; None when nobody answers (docs/decisions/0021)."""


class Tasks(Protocol):
    """The records of tasks. A write is atomic with the messages that follow from it (`domain.outgoing`)."""

    async def load(self, account: str, task_id: str) -> Task:
        """Raises MigrationError SMS.TASK.NOT_FOUND."""

    async def create(self, task: Task, cause: Envelope) -> None:
        """Raises MigrationError SMS.TASK.SERVER_BUSY when the server has a task that has not ended."""

    async def change(self, task: Task, cause: Envelope, *, besides: Sequence[ServiceCommand] = ()) -> None:
        """Write the transition that led to task.version; besides: commands that go out with it and are not the
        running step's. Raises ConflictError, AlreadyAppliedError."""

    async def was_applied(self, account: str, task_id: str, message_id: str) -> bool:
        """Whether a transition of the task had this cause."""

    async def all_running(self) -> list[Task]:
        """Of every account: tasks in which a step runs."""

    async def page(self, account: str, wanted: ListTasks) -> list[Task]:
        """Tasks that match, ordered by id."""

    async def count(self, account: str, wanted: ListTasks) -> int:
        """How many match, whatever the page."""

    async def history(self, account: str, task_id: str) -> list[HistoryEntry]:
        """Every transition, oldest first."""


class Lane(Protocol):
    """Says a step's command to its agent until the agent has acknowledged it."""

    def notice(self, task: Task) -> None:
        """The task has changed: its newest command supersedes what was being said for it."""

    async def tell(self, task: Task, command: AddressedCommand) -> bool:
        """Say something else once; whether the agent has acknowledged it."""


class Seal(Protocol):
    """Keeps target passwords unreadable at rest. "" is sealed as "" and opened as ""."""

    def seal(self, secret: str, *, account: str, template_id: str) -> str:
        """Bound to account and template: it cannot be opened in another record."""

    def open(self, sealed: str, *, account: str, template_id: str) -> str:
        """Raises MigrationError SMS.TEMPLATE.SECRET_UNREADABLE."""


class Signer(Protocol):
    """Vouches for the reports of verifications."""

    def sign(self, document: VerificationDocument) -> VerificationDocument:
        """With the installation's key. Raises OSError or ValueError when it cannot be used."""


class Templates(Protocol):
    """The records of templates. A write is atomic with its event and applied once per cause.id."""

    async def load(self, account: str, template_id: str) -> tuple[Template, int]:
        """With the version that it was read at. Raises MigrationError SMS.TEMPLATE.NOT_FOUND."""

    async def save(
        self, template: Template, *, expected_version: int, change: Literal["created", "updated"], cause: Envelope
    ) -> None:
        """Raises ConflictError, AlreadyAppliedError."""

    async def delete(self, template: Template, *, expected_version: int, cause: Envelope) -> None:
        """Raises ConflictError."""

    async def all(self, account: str) -> list[Template]:
        """In the order of their ids; an account has a bounded number."""


class Projects(Protocol):
    """The record of an account's migration projects."""

    async def load(self, account: str) -> tuple[ProjectBook, int]:
        """With the version that it was read at: 0 for what an account begins with, which nobody has written."""

    async def save(
        self, account: str, book: ProjectBook, event: ProjectChanged, *, expected_version: int, cause: Envelope
    ) -> None:
        """Raises ConflictError, AlreadyAppliedError."""


class ServersByProject(Protocol):
    """The registry, as far as projects ask it."""

    async def count_by_project(self, cause: Envelope) -> Mapping[str, int]:
        """How many source servers of the account lie in each project, "" being the default one; none for a project
        without any."""


class Catalogue(Protocol):
    """Templates and projects, as far as a new task asks."""

    async def choose(self, request: CreateTask, account: str, *, disk_count: int) -> Chosen:
        """Raises MigrationError SMS.TEMPLATE.NOT_FOUND, SMS.PROJECT.NOT_FOUND."""


class TaggedServers(Protocol):
    """The registry, as far as waves ask it."""

    async def tagged(self, tags: Mapping[str, str], cause: Envelope) -> tuple[str, ...]:
        """Ids of the account's servers that carry all of these tags; value "" for any value."""


class Waves(Protocol):
    """The records of waves. A write is atomic with its event and applied once per cause.id."""

    async def load(self, account: str, wave_id: str) -> tuple[Wave, int]:
        """With the version that it was read at. Raises MigrationError SMS.WAVE.NOT_FOUND."""

    async def was_applied(self, account: str, wave_id: str, message_id: str) -> bool:
        """Whether a write to this wave had this cause."""

    async def save(self, wave: Wave, change: str, *, expected_version: int, cause: Envelope) -> None:
        """Raises ConflictError, AlreadyAppliedError."""

    async def delete(self, wave: Wave, *, expected_version: int, cause: Envelope) -> None:
        """Raises ConflictError."""

    async def all(self, account: str) -> list[Wave]:
        """In the order of their ids; an account has a bounded number."""

    async def all_open(self) -> list[Wave]:
        """Of every account: waves with servers that wait for their turn."""


class Glances(Protocol):
    """Tasks, as far as waves look at them."""

    async def of(self, account: str, members: Iterable[Member]) -> dict[str, TaskGlance]:
        """By server: the task that has not ended, else the last one that the wave has seen; none for a server
        without either."""

    async def failed(self, account: str) -> list[TaskGlance]:
        """Tasks that rest because of a failure and have not ended, in the order of their ids."""


class Agreements(Protocol):
    """The records of what users have agreed to."""

    async def load(self, account: str, user_id: str) -> Agreement | None:
        """None for a user who has not agreed."""

    async def create(self, account: str, agreement: Agreement, cause: Envelope) -> None:
        """Atomic with its event. Raises ConflictError when the user has agreed already."""
