"""Settings of a task: what its user changes while it exists, and what agents report into it."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.items import ItemOutcome
from contracts.speed_limit import SpeedLimits, SpeedPeriod
from contracts.task_settings import ConfigurationSetting, ConsistencyResult, NetworkCheck, TaskAttributes


class OperateTask(Message):
    """Request ``task.operate``: what the v3 contract and ours call an operation, as a word.

    operation: start, restart, stop, sync, launch, cutover, verify, skip, finish, error_for_overspeed; every other word
    of the v3 contract is refused by name. checks_consistency: sets the task's own; None leaves it. The others are
    those of ActOnTask.
    """

    TYPE: ClassVar[str] = "sms.task.operate"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    operation: str
    has_consent: bool = False
    overwrite_target: bool = False
    checks_consistency: bool | None = None


class UpdateTask(Message):
    """Request ``task.update``. What is None stays as it is. priority: 0 low, 1 standard, 2 high.

    rate_limit_bit_s: outside all periods, 0 for none. attributes: replace those that are not at their default.
    """

    TYPE: ClassVar[str] = "sms.task.update"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    name: str | None = None
    priority: int | None = None
    rate_limit_bit_s: int | None = None
    checks_consistency: bool | None = None
    attributes: TaskAttributes | None = None


class SetSpeedLimits(Message):
    """Request ``task.set-speed-limits``: replaces all periods of the task; a running copy obeys within a second."""

    TYPE: ClassVar[str] = "sms.task.set-speed-limits"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    periods: tuple[SpeedPeriod, ...]


class ShowSpeedLimits(Message):
    """Request ``task.speed-limits``."""

    TYPE: ClassVar[str] = "sms.task.show-speed-limits"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str


class TaskSpeedLimits(Message):
    """The answer to ShowSpeedLimits."""

    TYPE: ClassVar[str] = "sms.task.speed-limits"
    KIND: ClassVar[MessageKind] = "reply"
    task_id: str
    limits: SpeedLimits


class ConfigureTask(Message):
    """Request ``task.configure``: sets these keys, an empty value removes one. They act from the next command to the
    agent on: a copy, sync round or verification that runs goes on as it began."""

    TYPE: ClassVar[str] = "sms.task.configure"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    settings: tuple[ConfigurationSetting, ...]


class ShowConfiguration(Message):
    """Request ``task.configuration``. key: one of them; empty for all."""

    TYPE: ClassVar[str] = "sms.task.show-configuration"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str
    key: str = ""


class TaskConfiguration(Message):
    """The answer to ShowConfiguration."""

    TYPE: ClassVar[str] = "sms.task.configuration"
    KIND: ClassVar[MessageKind] = "reply"
    task_id: str
    migration_type: str
    settings: tuple[ConfigurationSetting, ...]


class DeleteTasks(Message):
    """Request ``task.delete-many``: each task is deleted or refused by itself."""

    TYPE: ClassVar[str] = "sms.task.delete-many"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_ids: tuple[str, ...]


class TasksDeleted(Message):
    """The answer to DeleteTasks: one result for each id, in the order of the request."""

    TYPE: ClassVar[str] = "sms.task.tasks-deleted"
    KIND: ClassVar[MessageKind] = "reply"
    results: tuple[ItemOutcome, ...]


class RecordNetworkCheck(Message):
    """Request ``task.record-network-check``: an agent that speaks HTTP has measured the network of its task.

    server_id: the agent's own server, if it is an agent who says so: another server's task is unknown to it.
    """

    TYPE: ClassVar[str] = "sms.task.record-network-check"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    server_id: str = ""
    check: NetworkCheck


class RecordConsistency(Message):
    """Request ``task.record-consistency``: an agent that speaks HTTP has compared source and target.

    server_id: as in RecordNetworkCheck.
    """

    TYPE: ClassVar[str] = "sms.task.record-consistency"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    server_id: str = ""
    results: tuple[ConsistencyResult, ...]
