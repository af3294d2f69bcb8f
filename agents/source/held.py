"""What a cutover has begun on the source and must end: kept on disk before the first command of the user runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from agents.source.user_commands import run_command
from agents.task_folder import TaskFolder
from contracts.base import Model
from contracts.cutover import CommandOutcome, CutoverOutcome, SourceCommand

_FILE: Final = "held.json"
# One server: its commands run one after the other, whoever asks for them.
_one_at_a_time: Final = threading.Lock()
_logger: Final = logging.getLogger("sms.agent.source")


class Held(Model):
    """before: outcomes so far. is_before_done: all of them have run well. is_ending: after has been begun. began_at,
    until: Unix time, seconds."""

    after: tuple[SourceCommand, ...]
    before: tuple[CommandOutcome, ...] = ()
    is_before_done: bool = False
    is_ending: bool = False
    began_at: float
    until: float


class HeldSource:
    """Whether the commands for after a cutover are owed; they are run exactly once, whoever asks first.

    now: the wall clock, since it counts over restarts.
    """

    def __init__(self, folder: TaskFolder, *, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now

    def state(self) -> Held | None:
        """None when nothing is owed."""
        text = self._folder.read(_FILE)
        return Held.model_validate_json(text) if text else None

    def hold(self, after: tuple[SourceCommand, ...], *, for_s: float) -> Held:
        """From here on they are owed; what was held before an interruption goes on being held."""
        known = self.state()
        if known is not None:
            return known
        now = self._now()
        return self.note(Held(after=after, began_at=now, until=now + for_s))

    def note(self, held: Held) -> Held:
        """Keep how far it came."""
        self._folder.write(_FILE, held.model_dump_json())
        return held

    def seconds_left(self) -> float | None:
        """Until they are run without being asked for; None when nothing is owed."""
        held = self.state()
        if held is None:
            return None
        return 0.0 if held.is_ending else max(0.0, held.until - self._now())

    def release(self, outcome: CutoverOutcome) -> tuple[CommandOutcome, ...]:
        """Run what is owed, each command whatever became of the one before. Blocks until they have ended."""
        with _one_at_a_time:
            held = self.state()
            if held is None:
                return ()
            self.note(held.model_copy(update={"is_ending": True}))
            _logger.info("task %s: %d commands after the cutover (%s)", self._folder.task_id, len(held.after), outcome)
            outcomes = tuple(
                run_command(
                    command,
                    name=f"after {number}",
                    environment=environment_of(self._folder.task_id, outcome),
                )
                for number, command in enumerate(held.after, start=1)
            )
            # A kill before this line runs them again after the restart: twice is better than never.
            self._folder.forget(_FILE)
            return outcomes


def environment_of(task_id: str, moment: str) -> dict[str, str]:
    """What a command of the user sees of its purpose. moment: before, launched or failed."""
    return {"SMS_TASK_ID": task_id, "SMS_CUTOVER": moment}
