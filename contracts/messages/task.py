"""Migration tasks: a user's requests, what they show, and the facts that they cause."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from contracts.adaptation import AdaptationReport
from contracts.base import Message, MessageKind, Model
from contracts.cutover import CutoverReport
from contracts.errors import Failure
from contracts.forecast import SyncForecast
from contracts.layout import TargetLayout
from contracts.messages.agent import AgentLoad, AttachedDisk
from contracts.messages.migration_project import MigrationChoices
from contracts.messages.target_provisioner import HealthCheck, PointView, PortForward
from contracts.messages.template import TargetPlacement
from contracts.rehearsal import RehearsalReport
from contracts.speed_limit import SpeedLimits
from contracts.task_settings import (
    ConfigurationSetting,
    ConsistencyResult,
    NetworkCheck,
    TaskAttributes,
    WishedDisk,
)
from contracts.transfer import CopySummary, TransferProgress, VerificationReport


class Phase(StrEnum):
    """Where a task is. FINISHED and DELETED are final."""

    READY = "READY"
    PREPARING = "PREPARING"
    COPYING = "COPYING"
    LAUNCHING = "LAUNCHING"
    LAUNCHED = "LAUNCHED"
    SYNCING = "SYNCING"
    CUTTING_OVER = "CUTTING_OVER"
    STOPPING = "STOPPING"
    PAUSED = "PAUSED"
    FAILED = "FAILED"
    FINISHED = "FINISHED"
    DELETING = "DELETING"
    DELETED = "DELETED"


class TaskOptions(Model):
    """What the user chose in the third step. excludes: absolute paths as the migrated system sees them.

    layout_options: ``disk.<source disk>.size`` and ``partition.<source partition>.size`` to a size such as ``40G``.
    forwards: ports of the target made reachable on the local provider. rehearses_rounds: the state that every sync
    round leaves is rehearsed, besides its launch. helper: where copy and adaptation run, see BootHelper. identity: new
    for a target that lives beside its source.
    """

    excludes: tuple[str, ...] = ()
    rate_limit_bit_s: int | None = None
    layout_options: dict[str, str] = {}
    forwards: tuple[PortForward, ...] = ()
    health_check: HealthCheck = HealthCheck()
    cpu_count: int = 2
    memory_bytes: int = 1 << 30
    rehearses_rounds: bool = False
    helper: Literal["auto", "process", "vm"] = "auto"
    identity: Literal["keep", "new"] = "keep"


class CreateTask(Message):
    """Request ``task.create``. idempotency_key: repeated, it answers with the same task.

    template_id: what the target is to be like, "" for no template. project_id: the migration project, "" for the one
    that the server lies in. An option that is left at its default takes the template's or the project's value.
    choices: None for the project's. priority: 0 low, 1 standard, 2 high. over_speed_percent: belongs to the options'
    limit.
    checks_consistency: every copy is verified before it is launched. wished_disks: sizes, beside those of the
    options. starts_at_once: the user has seen the disks and wants it started when it exists.
    """

    TYPE: ClassVar[str] = "sms.task.create"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    server_id: str
    migration_type: Literal["file", "block"] = "file"
    target_provider: str = "local"
    options: TaskOptions = TaskOptions()
    template_id: str = ""
    project_id: str = ""
    choices: MigrationChoices | None = None
    name: str = ""
    priority: int = 1
    over_speed_percent: float | None = None
    checks_consistency: bool = False
    wished_disks: tuple[WishedDisk, ...] = ()
    attributes: TaskAttributes = TaskAttributes()
    starts_at_once: bool = False


class TaskAction(StrEnum):
    """What a user may ask of a task."""

    START = "start"
    STOP = "stop"
    SYNC = "sync"
    LAUNCH = "launch"
    CUTOVER = "cutover"
    VERIFY = "verify"
    FINISH = "finish"
    DELETE = "delete"


class ActOnTask(Message):
    """Request ``task.act``. has_consent: the user has seen which disks are wiped (needed for the first start).

    overwrite_target: a sync after the cutover discards what was written on the target. is_quick, seed and
    sample_percent: of a verification, as in VerificationReport; without a seed the service chooses one. is_continuous:
    a sync goes on, round after round, until a launch, a cutover or a stop is asked for.
    """

    TYPE: ClassVar[str] = "sms.task.act"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    action: TaskAction
    has_consent: bool = False
    overwrite_target: bool = False
    is_continuous: bool = False
    is_quick: bool = False
    seed: int | None = None
    sample_percent: float = 5.0


class PlanTask(Message):
    """Request ``task.plan``: the layout that a task of this server would have; nothing is created."""

    TYPE: ClassVar[str] = "sms.task.plan"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    options: TaskOptions = TaskOptions()
    template_id: str = ""
    project_id: str = ""


class TaskPlan(Message):
    """The answer to PlanTask. options: those asked for, with what template and project add."""

    TYPE: ClassVar[str] = "sms.task.planned"
    KIND: ClassVar[MessageKind] = "reply"
    layout: TargetLayout
    options: TaskOptions = TaskOptions()


class SubTask(Model):
    """One step in the v3 vocabulary, with its own progress (0–100). user_operation: the action that led to it.
    trace: what a running transfer does, in words."""

    name: str
    progress: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    rate_mbit_s: float = 0.0
    user_operation: str = ""
    trace: str = ""


class TargetView(Model):
    """The target of a task. disks: what boots (raw and self-contained after finish). replica_disks: unadapted. helper:
    process or vm, "" before there is one."""

    id: str = ""
    provider: str = "local"
    disks: tuple[AttachedDisk, ...] = ()
    replica_disks: tuple[AttachedDisk, ...] = ()
    console: str = ""
    ports: tuple[PortForward, ...] = ()
    points: tuple[PointView, ...] = ()
    is_isolated: bool = True
    helper: str = ""


class RehearsalView(Model):
    """The last rehearsal of a task. report: None while it runs."""

    point_id: str
    begun_at: datetime
    report: RehearsalReport | None = None


class RehearseTask(Message):
    """Request ``task.rehearse``: boot a throw-away layer over the newest point, while everything else goes on."""

    TYPE: ClassVar[str] = "sms.task.rehearse"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str


class TaskView(Model):
    """A task as it is shown. state: the v3 word; phase: ours; error: why it is PAUSED or FAILED.

    step: what is being done now. rounds: summaries of the full copy (round 0) and of every sync round.
    step_seconds: how long each finished step took, by name, the last run of each. placement and choices: as they were
    taken from the template and the project when the task was made. consistency: of the last verification, at
    consistency_at. load: while a transfer runs. cutover: of the last one, also while it runs. forecast:
    in TaskDetails only. adaptation_plan: what is changed in the newest launch layer, known before it is; adaptation:
    what was changed, None until then.
    """

    id: str
    server_id: str
    server_name: str = ""
    migration_type: str = "file"
    state: str
    phase: Phase
    step: str = ""
    error: Failure | None = None
    version: int = 0
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_cut_over: bool = False
    options: TaskOptions = TaskOptions()
    layout: TargetLayout
    progress: TransferProgress | None = None
    sub_tasks: tuple[SubTask, ...] = ()
    target: TargetView = TargetView()
    rounds: tuple[CopySummary, ...] = ()
    adaptation: AdaptationReport | None = None
    verification: VerificationReport | None = None
    step_seconds: dict[str, float] = {}
    template_id: str = ""
    project_id: str = ""
    placement: TargetPlacement = TargetPlacement()
    choices: MigrationChoices = MigrationChoices()
    name: str = ""
    priority: int = 1
    checks_consistency: bool = False
    speed_limits: SpeedLimits = SpeedLimits()
    configuration: tuple[ConfigurationSetting, ...] = ()
    attributes: TaskAttributes = TaskAttributes()
    network_check: NetworkCheck | None = None
    consistency: tuple[ConsistencyResult, ...] = ()
    consistency_at: datetime | None = None
    load: AgentLoad | None = None
    cutover: CutoverReport | None = None
    forecast: SyncForecast | None = None
    allowed_actions: tuple[TaskAction, ...] = ()
    rehearsal: RehearsalView | None = None
    adaptation_plan: AdaptationReport | None = None


class ListTasks(Message):
    """Request ``task.list``. Empty filters match everything; name: a part of the task's name, state: the v3 word.

    after and offset: where the page begins.
    """

    TYPE: ClassVar[str] = "sms.task.list"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str = ""
    limit: int = 1000
    after: str = ""
    task_id: str = ""
    name: str = ""
    state: str = ""
    offset: int = 0


class TaskList(Message):
    """Tasks without layout and reports, of the rounds the last one. count: all that match the filters; a page may be
    shorter than limit, since a message has a largest size: ask again behind it."""

    TYPE: ClassVar[str] = "sms.task.task-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    tasks: tuple[TaskView, ...]


class ShowTask(Message):
    """Request ``task.show``."""

    TYPE: ClassVar[str] = "sms.task.show"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str


class TaskDetails(Message):
    """One task."""

    TYPE: ClassVar[str] = "sms.task.details"
    KIND: ClassVar[MessageKind] = "reply"
    task: TaskView


class HistoryEntry(Model):
    """One transition, as the task's history keeps it. is_note: something was set or learned; what runs goes on."""

    version: int
    at: datetime
    event: str
    from_phase: Phase
    to_phase: Phase
    step: str = ""
    failure: Failure | None = None
    actor: str = ""
    is_note: bool = False


class ShowHistory(Message):
    """Request ``task.history``."""

    TYPE: ClassVar[str] = "sms.task.show-history"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str


class TaskHistory(Message):
    """Every transition of a task, oldest first."""

    TYPE: ClassVar[str] = "sms.task.history"
    KIND: ClassVar[MessageKind] = "reply"
    entries: tuple[HistoryEntry, ...]


class TaskCreated(Message):
    """Event ``task.<id>.created``. source_used_bytes: what is in use on the source's disks; 0 when it is not known.
    project_id: of the migration project, "" for none."""

    TYPE: ClassVar[str] = "sms.task.created"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    server_id: str
    source_used_bytes: int = 0
    project_id: str = ""


class TaskChanged(Message):
    """Event ``task.<id>.changed``: one for every transition, in the order of version. server_name: for people.
    replica_from: what the source had changed until then is on the target; None before there is a complete copy."""

    TYPE: ClassVar[str] = "sms.task.changed"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    server_id: str
    version: int
    event: str
    from_phase: Phase
    to_phase: Phase
    step: str = ""
    state: str = ""
    failure: Failure | None = None
    server_name: str = ""
    replica_from: datetime | None = None
