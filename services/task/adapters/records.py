"""Task records in the store, each transition with its history row, its event and its command in one write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.task import TASK_NOT_FOUND, TASK_SERVER_BUSY
from contracts.messages.task import HistoryEntry, ListTasks, TaskChanged, TaskCreated
from services.task.domain.cutover import cut_over
from services.task.domain.forecast import convergence_event
from services.task.domain.instructions import ServiceCommand, farewell, service_command
from services.task.domain.phases import FINAL, Leg
from services.task.domain.rehearsals import command_of
from services.task.domain.task import Task
from services.task.domain.view import v3_state
from shared.store import Collection, DuplicateError, OutgoingMessage, Record, Store, Unique
from shared.store.port import Scalar
from shared.store.typed import TypedCollection

SERVICE: Final = "task"
_ONE_ACTIVE_TASK: Final = Unique(
    name="one_active_task_per_server", fields=("account", "server_id"), only_where={"is_active": True}
)
TASKS: Final = Collection(
    name="tasks",
    fields=("server_id", "is_active", "is_deleted"),
    unique=(
        Unique(name="one_active_task_per_server", fields=("account", "server_id"), only_where={"is_active": True}),
    ),
)
HISTORY: Final = Collection(name="task_history", fields=("task_id",))
_PAGE: Final = 500


class HistoryRow(HistoryEntry):
    """A history entry with the task that it belongs to."""

    task_id: str


class StoredTask(Task):
    """A task with what the store's rules and searches look at."""

    is_active: bool
    is_deleted: bool = False


class TaskRecords:
    """The port Tasks on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks = TypedCollection(store, TASKS, StoredTask)
        self._history = TypedCollection(store, HISTORY, HistoryRow)

    async def load(self, account: str, task_id: str) -> Task:
        """Raises MigrationError SMS.TASK.NOT_FOUND."""
        stored = await self._tasks.load(account, task_id) if task_id else None
        if stored is None:
            raise MigrationError(TASK_NOT_FOUND, task_id=task_id)
        return _plain(stored.value)

    async def create(self, task: Task, cause: Envelope) -> None:
        """A new task; its id is derived from the request's key, so that a repeated request finds it."""
        created = TaskCreated(task_id=task.id, server_id=task.server_id, source_used_bytes=task.inventory.used_bytes)
        event = OutgoingMessage.of(
            subjects.evt(task.account, "task", task.id, "created"),
            created,
            source=SERVICE,
            account=task.account,
            cause=cause,
            message_id=f"{task.id}:0:created",
            correlation_id=task.id,
        )
        try:
            await self._tasks.save(task.account, task.id, _stored(task), expected_version=0, outbox=[event])
        except DuplicateError as error:
            other = await self._tasks.find(task.account, {"server_id": task.server_id, "is_active": True})
            task_id = other[0].id if other else "?"
            raise MigrationError(TASK_SERVER_BUSY, server_id=task.server_id, task_id=task_id) from error

    async def change(self, task: Task, cause: Envelope, *, besides: Sequence[ServiceCommand] = ()) -> None:
        """The stored version is one above the task's own: creation is the store's first write."""
        await self._tasks.save(
            task.account,
            task.id,
            _stored(task),
            expected_version=task.version,
            outbox=_messages(task, cause, besides),
            applied=cause.id,
            also=[self._history_row(task)],
        )

    async def was_applied(self, account: str, task_id: str, message_id: str) -> bool:
        """Whether a transition of the task had this cause."""
        return await self._tasks.was_applied(account, task_id, message_id)

    async def page(self, account: str, wanted: ListTasks) -> list[Task]:
        """Deleted tasks are not listed."""
        page: list[Task] = []
        passed = 0
        async for task in self._matching(account, wanted):
            if passed < wanted.offset:
                passed += 1
            elif len(page) < wanted.limit:
                page.append(task)
            else:
                break
        return page

    async def count(self, account: str, wanted: ListTasks) -> int:
        """Counted by the store unless it cannot look for what is wanted."""
        whole = wanted.model_copy(update={"after": ""})
        if wanted.name or wanted.task_id or wanted.state:
            return len([task async for task in self._matching(account, whole)])
        where = _where(wanted)
        return await self._tasks.count(account, where) - await self._tasks.count(account, {**where, "is_deleted": True})

    async def _matching(self, account: str, wanted: ListTasks) -> AsyncIterator[Task]:
        if wanted.task_id:
            stored = await self._tasks.load(account, wanted.task_id)
            rows = [stored] if stored is not None and stored.id > wanted.after else []
        else:
            rows = await self._tasks.find(account, _where(wanted), after=wanted.after, limit=_PAGE)
        while rows:
            for row in rows:
                if _matches(row.value, wanted):
                    yield _plain(row.value)
            if wanted.task_id or len(rows) < _PAGE:
                return
            rows = await self._tasks.find(account, _where(wanted), after=rows[-1].id, limit=_PAGE)

    async def history(self, account: str, task_id: str) -> list[HistoryEntry]:
        """Every transition, oldest first."""
        entries: list[HistoryEntry] = []
        after = ""
        while True:
            page = await self._history.find(account, {"task_id": task_id}, after=after, limit=_PAGE)
            entries += [HistoryEntry.model_validate(row.value.model_dump()) for row in page]
            if len(page) < _PAGE:
                return entries
            after = page[-1].id

    async def all_running(self) -> list[Task]:
        """Of every account: tasks in which a step runs, for the lane after a restart."""
        active = self._tasks.find_all_accounts({"is_active": True})
        return [_plain(row.value) async for row in active if row.value.step is not None]

    def _history_row(self, task: Task) -> Record:
        if task.last_entry is None:
            raise ValueError("a transition has a history entry")
        row = HistoryRow(task_id=task.id, **task.last_entry.model_dump())
        return self._history.record(task.account, f"{task.id}:{task.version:08d}", row)


def _messages(task: Task, cause: Envelope, besides: Sequence[ServiceCommand]) -> list[OutgoingMessage]:
    entry = task.last_entry
    if entry is None:
        raise ValueError("a transition has a history entry")
    changed = TaskChanged(
        task_id=task.id,
        server_id=task.server_id,
        version=task.version,
        event=entry.event,
        from_phase=entry.from_phase,
        to_phase=entry.to_phase,
        step=task.step or "",
        state=v3_state(task),
        failure=task.failure,
        server_name=task.server_name,
        replica_from=task.replica_from,
    )
    messages = [_outgoing(task, subjects.evt(task.account, "task", task.id, "changed"), changed, "changed", cause)]
    for what, fact in (("cut-over", cut_over(task)), ("convergence-changed", convergence_event(task))):
        if fact is not None:
            messages.append(_outgoing(task, subjects.evt(task.account, "task", task.id, what), fact, what, cause))
    # A note changes nothing of the running step: what it asked for is under way.
    named = [] if entry.is_note else [("command", service_command(task)), ("farewell", farewell(task))]
    named.append(("rehearsal", command_of(task)))
    named += [(f"besides-{number}", command) for number, command in enumerate(besides)]
    for kind, command in named:
        if command is not None:
            subject = subjects.cmd(command.service, command.verb)
            messages.append(_outgoing(task, subject, command.message, kind, cause))
    return messages


def _outgoing(task: Task, subject: str, message: Message, kind: str, cause: Envelope) -> OutgoingMessage:
    return OutgoingMessage.of(
        subject,
        message,
        source=SERVICE,
        account=task.account,
        cause=cause,
        message_id=f"{task.id}:{task.version}:{kind}",
        correlation_id=task.id,
    )


def _stored(task: Task) -> StoredTask:
    return StoredTask(**dict(task), is_active=task.leg not in FINAL, is_deleted=task.leg is Leg.DELETED)


def _plain(stored: StoredTask) -> Task:
    own = StoredTask.model_fields.keys() - Task.model_fields.keys()
    return Task(**{name: value for name, value in dict(stored).items() if name not in own})


def _where(wanted: ListTasks) -> dict[str, Scalar]:
    return {"server_id": wanted.server_id} if wanted.server_id else {}


def _matches(task: Task, wanted: ListTasks) -> bool:
    if task.leg is Leg.DELETED or (wanted.server_id and task.server_id != wanted.server_id):
        return False
    if wanted.state and v3_state(task) != wanted.state:
        return False
    return wanted.name in task.name
