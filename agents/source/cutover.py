"""The source's part of a cutover: rounds until the rest is small, the user's commands, the freeze, the last round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Protocol

from agents.source.freeze import Freeze, file_system_of
from agents.source.held import Held, HeldSource, environment_of
from agents.source.user_commands import run_command
from contracts.cutover import CommandOutcome, CutoverWork, FrozenVolume, SourceCommand
from contracts.errors import MigrationError
from contracts.errors.cutover import CUTOVER_COMMAND_FAILED, CUTOVER_FREEZE_TOO_LONG
from contracts.messages.agent import SyncVolumes
from contracts.messages.cutover import CutOver
from contracts.transfer import CopySummary

MOST_ROUNDS: Final = 5
SMALL_S: Final = 3.0
# A round that is not clearly shorter than the one before it has nothing to gain from another one.
_WORTH_ANOTHER: Final = 0.7


class Rounds(Protocol):
    """The task's SourceSession, as far as a cutover needs it."""

    def sync(self, round_number: int) -> CopySummary:
        """One round. Raises MigrationError."""


def is_small_enough(rounds: Sequence[CopySummary]) -> bool:
    """Whether the last round is as short as it gets: `SMALL_S`, or no longer shrinking."""
    if not rounds:
        return False
    last = rounds[-1].seconds
    if last <= SMALL_S or len(rounds) >= MOST_ROUNDS:
        return True
    return len(rounds) > 1 and last > rounds[-2].seconds * _WORTH_ANOTHER


def rounds_until_small(session: Rounds, first: int) -> list[CopySummary]:
    """At least one round, numbered from first."""
    done: list[CopySummary] = []
    while not is_small_enough(done):
        done.append(session.sync(first + len(done)))
    return done


def final_rounds(session: Rounds, command: SyncVolumes) -> tuple[CopySummary, CutoverWork]:
    """A cutover in which the source only sends: the summary of the last round, and the others."""
    rounds = rounds_until_small(session, command.round_number)
    last = rounds[-1]
    return last, CutoverWork(rounds=tuple(rounds[:-1]), last_round_s=last.seconds, downtime_s=last.seconds)


class Cutover:
    """Carries out one CutOver. work: as far as it came, also when `carry_out` raises.

    roots: mount point to a folder on that file system. state_folder: the agent's own, whose file system cannot be
    frozen: the last round keeps its journal there. must_stop: whether the task is being stopped.
    """

    def __init__(
        self,
        command: CutOver,
        session: Rounds,
        held: HeldSource,
        *,
        roots: Mapping[str, Path],
        state_folder: Path,
        must_stop: Callable[[], bool],
    ) -> None:
        self._command = command
        self._session = session
        self._held = held
        self._roots = roots
        self._state_folder = state_folder
        self._must_stop = must_stop
        self.work = CutoverWork()

    def carry_out(self) -> CopySummary:
        """The last round's summary. Raises MigrationError after the user's commands for that have been run."""
        command = self._command
        number = command.round_number
        held = self._held.state()
        if held is not None and held.is_ending:
            # The agent was killed while it gave the server back: it works again, so all begins anew.
            self._held.release("failed")
            held = None
        if held is None:
            # After a restart in the middle the source waits already: no round but the last.
            rounds = rounds_until_small(self._session, number)
            number += len(rounds)
            self.work = self.work.model_copy(update={"rounds": tuple(rounds)})
        if not (command.before or command.after):
            return self._last_round(number, began=time.monotonic())
        held = self._held.hold(command.after, for_s=command.hold_s)
        try:
            began = time.monotonic() - (time.time() - held.began_at)
            self._run_before(held)
            return self._last_round(number, began=began)
        except BaseException:
            self.work = self.work.model_copy(update={"after": self._held.release("failed")})
            raise

    def _run_before(self, held: Held) -> None:
        began = time.monotonic()
        for number, command in enumerate(self._command.before, start=1):
            if held.is_before_done:
                break
            outcome = run_command(
                command,
                name=f"before {number}",
                environment=environment_of(self._command.task_id, "before"),
                must_stop=self._must_stop,
            )
            held = self._held.note(held.model_copy(update={"before": (*held.before[: number - 1], outcome)}))
            self._note(before=held.before, before_s=round(time.monotonic() - began, 3))
            # A program may end well when it is told to, with its work half done.
            if outcome.exit_code or outcome.is_timeout:
                raise _failed(outcome, command, self._command.task_id)
        self._held.note(held.model_copy(update={"is_before_done": True}))
        self._note(before=held.before, before_s=round(sum(each.seconds for each in held.before), 3))

    def _last_round(self, number: int, *, began: float) -> CopySummary:
        freezing = time.monotonic()
        with self._freeze() as freeze:
            frozen = freeze.volumes if freeze else ()
            self._note(frozen=(*frozen, *self.work.frozen), freeze_s=round(time.monotonic() - freezing, 3))
            last = self._session.sync(number)
            seconds = time.monotonic() - freezing
            if freeze and any(each.is_frozen for each in frozen) and not freeze.thaw():
                raise MigrationError(
                    CUTOVER_FREEZE_TOO_LONG,
                    task_id=self._command.task_id,
                    seconds=round(seconds, 1),
                    limit_s=f"{self._command.freeze_limit_s:g}",
                )
        self._note(last_round_s=last.seconds, downtime_s=round(time.monotonic() - began, 3))
        return last

    def _freeze(self) -> AbstractContextManager[Freeze | None]:
        own = file_system_of(self._state_folder)
        systems: dict[str, tuple[str, Path]] = {}
        for volume in self._command.volumes if self._command.freezes else ():
            root = self._roots[volume.mount_point]
            # Of several subvolumes of one file system the first stands for all.
            systems.setdefault(file_system_of(root), (volume.mount_point, root))
        kept = systems.pop(own, None)
        if kept is not None:
            reason = "the agent keeps its own state on it"
            self._note(frozen=(FrozenVolume(mount_point=kept[0], is_frozen=False, reason=reason),))
        return Freeze(list(systems.values()), limit_s=self._command.freeze_limit_s) if systems else nullcontext()

    def _note(self, **found: object) -> None:
        self.work = self.work.model_copy(update=found)


def _failed(outcome: CommandOutcome, command: SourceCommand, task_id: str) -> MigrationError:
    return MigrationError(
        CUTOVER_COMMAND_FAILED,
        name=outcome.name,
        exit_code=outcome.exit_code,
        seconds=f"{outcome.seconds:g}",
        timeout_s=f"{command.timeout_s:g}",
        # The whole of it is shown with the task; a failure also goes into events.
        reason="it took too long" if outcome.is_timeout else "its output is in `sms task show`",
        task_id=task_id,
    )
