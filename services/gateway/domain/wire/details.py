"""Bodies of our own task operations: the messages of the bus, without what the path and the headers say."""

from __future__ import annotations

from typing import ClassVar

from contracts.messages.cutover import SetCutover
from contracts.messages.task import ActOnTask, CreateTask


class NewTask(CreateTask):
    """What `CreateTask` holds. idempotency_key is passed over: the request's own counts."""

    TYPE: ClassVar[str] = ""  # no message of its own
    idempotency_key: str = ""


class TaskAct(ActOnTask):
    """What `ActOnTask` holds. idempotency_key and task_id are passed over: those of the request count."""

    TYPE: ClassVar[str] = ""  # no message of its own
    idempotency_key: str = ""
    task_id: str = ""


class CutoverBody(SetCutover):
    """What `SetCutover` holds. idempotency_key and task_id are passed over: those of the request count."""

    TYPE: ClassVar[str] = ""  # no message of its own
    idempotency_key: str = ""
    task_id: str = ""
