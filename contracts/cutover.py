"""A cutover: what its user wants done on the source around the last round, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from contracts.base import Model
from contracts.transfer import CopySummary

CutoverOutcome = Literal["launched", "failed"]


class SourceCommand(Model):
    """A command of the user that runs as root on the source: either argv, or a text for /bin/sh.

    timeout_s: afterwards it is ended, and counts as failed.
    """

    argv: tuple[str, ...] = Field(default=(), max_length=64)
    script: str = Field(default="", max_length=8192)
    timeout_s: float = Field(default=60.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> SourceCommand:
        if bool(self.argv) == bool(self.script.strip()):
            raise ValueError("either argv or script")
        if any("\0" in text for text in (*self.argv, self.script)):
            raise ValueError("a command has no NUL")
        return self


class CutoverSettings(Model):
    """before: run one after the other before the last round; the first that fails ends the cutover.

    after: run in any case once a command of before has been started: at the end of a cutover that succeeded or failed,
    and by the agent itself when it has heard nothing for hold_s. The environment says which by SMS_CUTOVER
    (launched, failed). freezes: the source's file systems stand still during the last round, at most freeze_limit_s.
    """

    before: tuple[SourceCommand, ...] = Field(default=(), max_length=8)
    after: tuple[SourceCommand, ...] = Field(default=(), max_length=8)
    hold_s: float = Field(default=1800.0, ge=60, le=86400)
    freezes: bool = False
    freeze_limit_s: float = Field(default=30.0, ge=1, le=300)

    @property
    def touches_source(self) -> bool:
        """Whether the source is to do anything but send."""
        return bool(self.before or self.after or self.freezes)


class CommandOutcome(Model):
    """How a command of the user ended. name: ``before 1``, ``after 2``. exit_code: as a shell has it, -1 when it could
    not be started. output: the last lines of both its streams. is_timeout: it was ended."""

    name: str
    exit_code: int
    seconds: float = 0.0
    output: str = ""
    is_timeout: bool = False


class FrozenVolume(Model):
    """Whether a file system stood still during the last round. reason: why it did not."""

    mount_point: str
    is_frozen: bool
    reason: str = ""


class CutoverWork(Model):
    """What the source did for a cutover. rounds: all but the last. downtime_s: from the first command (or the freeze,
    or the last round) to the end of the last round."""

    rounds: tuple[CopySummary, ...] = ()
    before: tuple[CommandOutcome, ...] = ()
    after: tuple[CommandOutcome, ...] = ()
    frozen: tuple[FrozenVolume, ...] = ()
    before_s: float = 0.0
    freeze_s: float = 0.0
    last_round_s: float = 0.0
    downtime_s: float = 0.0


class CutoverPhase(Model):
    """A part of the downtime."""

    name: str
    seconds: float


class CutoverReport(Model):
    """What a cutover did and how long the service was away. downtime_s: None until the target runs; boot_s of it is
    the target's own boot with its health check. phases follow one another and add up to downtime_s."""

    work: CutoverWork = CutoverWork()
    phases: tuple[CutoverPhase, ...] = ()
    downtime_s: float | None = None
    boot_s: float | None = None
    synced_at: datetime | None = None
    launched_at: datetime | None = None
