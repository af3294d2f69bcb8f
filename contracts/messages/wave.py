"""Waves: named sets of servers that are checked, started, limited, synchronised and cut over together."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure
from contracts.messages.task import TaskOptions


class WaveFields(Model):
    """Who belongs to a wave, and how it migrates.

    server_ids and tags together name the servers: those listed, and every one that carries all of these tags (value ""
    for any value) when the wave is started. template_id, project_id ("" for none, and for the default one) and options
    are for tasks that the wave makes where a server has none. max_running: how many of its tasks may run at once.
    rate_limit_bit_s: of each task, 0 for the project's.
    """

    name: str
    server_ids: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    template_id: str = ""
    project_id: str = ""
    options: TaskOptions = TaskOptions()
    max_running: int = 4
    rate_limit_bit_s: int = 0


class WaveChanges(Model):
    """New values of a wave; None leaves a field as it is. Who belongs to it is looked at again at the next start."""

    name: str | None = None
    server_ids: tuple[str, ...] | None = None
    tags: dict[str, str] | None = None
    template_id: str | None = None
    project_id: str | None = None
    options: TaskOptions | None = None
    max_running: int | None = None
    rate_limit_bit_s: int | None = None


class WaveAction(StrEnum):
    """What a whole wave may be asked for."""

    START = "start"
    STOP = "stop"
    SYNC = "sync"
    CUTOVER = "cutover"
    VERIFY = "verify"
    FINISH = "finish"


class WaveState(StrEnum):
    """Where a wave is, as its tasks say; it is kept nowhere.

    DRAFT: nothing has begun. RUNNING: a task runs or waits for its turn. ATTENTION: nothing runs, and a server needs a
    person. LAUNCHED, CUT_OVER, FINISHED: all of its servers are at least there.
    """

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    ATTENTION = "ATTENTION"
    LAUNCHED = "LAUNCHED"
    CUT_OVER = "CUT_OVER"
    FINISHED = "FINISHED"


class WaveRow(Model):
    """One server of a wave. phase: of its task, "" while it has none. is_waiting: for its turn, as not more than
    max_running run at once. failure: why the wave's last action was refused for it, else why its task rests."""

    server_id: str
    server_name: str = ""
    task_id: str = ""
    phase: str = ""
    step: str = ""
    is_waiting: bool = False
    is_cut_over: bool = False
    percent: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    failure: Failure | None = None


class WaveView(WaveFields):
    """A wave as it is shown. percent: each server counts alike. counts: servers by phase, NONE without a task.

    last_action: what was asked for last, "" for nothing yet. rows are left out in lists.
    """

    id: str
    state: WaveState
    last_action: str = ""
    percent: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    servers: int = 0
    counts: dict[str, int] = {}
    rows: tuple[WaveRow, ...] = ()
    created_at: datetime


class CreateWave(Message):
    """Request ``task.create-wave``. idempotency_key: repeated, it answers with the same wave."""

    TYPE: ClassVar[str] = "sms.wave.create"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    wave: WaveFields


class UpdateWave(Message):
    """Request ``task.update-wave``."""

    TYPE: ClassVar[str] = "sms.wave.update"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    wave_id: str
    changes: WaveChanges


class DeleteWave(Message):
    """Request ``task.delete-wave``: the set only; its tasks stay as they are."""

    TYPE: ClassVar[str] = "sms.wave.delete"
    KIND: ClassVar[MessageKind] = "request"
    wave_id: str


class ListWaves(Message):
    """Request ``task.list-waves``: in the order of their ids, without their servers' rows."""

    TYPE: ClassVar[str] = "sms.wave.list"
    KIND: ClassVar[MessageKind] = "request"
    limit: int = 50
    offset: int = 0


class WaveList(Message):
    """count: all of the account. A page may be shorter than limit: a message has a largest size."""

    TYPE: ClassVar[str] = "sms.wave.wave-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    waves: tuple[WaveView, ...]


class ShowWave(Message):
    """Request ``task.show-wave``."""

    TYPE: ClassVar[str] = "sms.wave.show"
    KIND: ClassVar[MessageKind] = "request"
    wave_id: str


class WaveDetails(Message):
    """One wave with a row for each server."""

    TYPE: ClassVar[str] = "sms.wave.details"
    KIND: ClassVar[MessageKind] = "reply"
    wave: WaveView


class CheckWave(Message):
    """Request ``task.check-wave``: would each server start? Nothing is changed."""

    TYPE: ClassVar[str] = "sms.wave.check"
    KIND: ClassVar[MessageKind] = "request"
    wave_id: str


class ActOnWave(Message):
    """Request ``task.act-on-wave``. has_consent: the user has agreed that the targets' disks are wiped (for a start).

    overwrite_target: a sync after the cutover discards what was written on the targets. A wave that has not come to
    the end of one action takes no other one but stop.
    """

    TYPE: ClassVar[str] = "sms.wave.act"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    wave_id: str
    action: WaveAction
    has_consent: bool = False
    overwrite_target: bool = False


class LimitWave(Message):
    """Request ``task.limit-wave``: the rate of each of its tasks from now on; 0 for no limit."""

    TYPE: ClassVar[str] = "sms.wave.limit"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    wave_id: str
    rate_limit_bit_s: int


class WaveItem(Model):
    """What an action did with one server: done (asked of its task, or nothing was left to do), waiting for its turn,
    or refused with the failure."""

    server_id: str
    task_id: str = ""
    outcome: Literal["done", "waiting", "refused"]
    failure: Failure | None = None


class WaveOutcome(Message):
    """What an action, a check or a limit did with each server, in the order of the wave."""

    TYPE: ClassVar[str] = "sms.wave.outcome"
    KIND: ClassVar[MessageKind] = "reply"
    wave_id: str
    items: tuple[WaveItem, ...]


class WaveChanged(Message):
    """Event ``wave.<id>.changed``. change: created, updated, deleted, limited, the action that was asked for, or
    ``advanced`` when servers that had waited had their turn. waiting: how many still wait; refused: by this action."""

    TYPE: ClassVar[str] = "sms.wave.changed"
    KIND: ClassVar[MessageKind] = "event"
    wave_id: str
    name: str
    change: str
    servers: int = 0
    waiting: int = 0
    refused: int = 0
