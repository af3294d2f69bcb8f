"""Cutovers: what users set for them, what the source agent is asked for, and the fact that one has happened."""

from __future__ import annotations

from typing import ClassVar

from contracts.base import Message, MessageKind
from contracts.cutover import CutoverOutcome, CutoverPhase, CutoverSettings, SourceCommand
from contracts.messages.agent import AgentCommand, SyncVolumes


class SetCutover(Message):
    """Request ``task.set-cutover``: replaces the task's settings of its cutover. It needs a permission of its own:
    what is set here runs as root on the source."""

    TYPE: ClassVar[str] = "sms.task.set-cutover"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    task_id: str
    settings: CutoverSettings


class ShowCutover(Message):
    """Request ``task.show-cutover``: the settings, for whoever may set them: commands can hold secrets."""

    TYPE: ClassVar[str] = "sms.task.show-cutover"
    KIND: ClassVar[MessageKind] = "request"
    task_id: str


class TaskCutover(Message):
    """The answer to ShowCutover."""

    TYPE: ClassVar[str] = "sms.task.cutover"
    KIND: ClassVar[MessageKind] = "reply"
    task_id: str
    settings: CutoverSettings


class TaskCutOver(Message):
    """Event ``task.<id>.cut-over``: the target has taken over. downtime_s: the sum of phases."""

    TYPE: ClassVar[str] = "sms.task.cut-over"
    KIND: ClassVar[MessageKind] = "event"
    task_id: str
    server_id: str
    server_name: str = ""
    downtime_s: float
    boot_s: float | None = None
    phases: tuple[CutoverPhase, ...] = ()


class CutOver(SyncVolumes):
    """Rounds until the rest is small, the user's commands, the freeze, and the last round. Answers summary and cutover.

    The agent keeps the commands of `after` until ReleaseSource, StopWork or ForgetTask, or for hold_s, and runs them
    once; when this command fails, it has run them. is_final is meant, whatever it says.
    """

    TYPE: ClassVar[str] = "sms.agent.command.cut-over"
    VERB: ClassVar[str] = "cut-over"
    before: tuple[SourceCommand, ...] = ()
    after: tuple[SourceCommand, ...] = ()
    hold_s: float = 1800.0
    freezes: bool = False
    freeze_limit_s: float = 30.0


class ReleaseSource(AgentCommand):
    """The cutover has ended: run what it kept for that. Answers cutover with the outcomes."""

    TYPE: ClassVar[str] = "sms.agent.command.release-source"
    VERB: ClassVar[str] = "release-source"
    outcome: CutoverOutcome = "launched"
