"""One coroutine per fact that a task waits for: load, decide, save, and tell the lane."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.task import TASK_NOT_FOUND
from contracts.messages.agent import AgentProgress, AgentResult, AgentSyncRound
from contracts.messages.certificate_issuer import (
    AuthorityCreated,
    AuthorityDestroyed,
    CertificateIssued,
    CertificateRefused,
)
from contracts.messages.target_provisioner import PointTaken, ProvisionerEvent, ProvisioningFailed, VolumeLost
from contracts.messages.task import TaskAction
from contracts.subjects import owner_of_agent_subject
from contracts.transfer import TransferProgress
from services.task.changes import Decide, TaskChanges
from services.task.domain.answers import (
    answering_step,
    failure_of,
    learn_authority,
    learn_certificate,
    learn_following,
    learn_from_agent,
    learn_from_provisioner,
)
from services.task.domain.cutover import learn_cutover
from services.task.domain.forecast import followed_convergence
from services.task.domain.instructions import agent_command, is_source_step, renewal_request_id
from services.task.domain.phases import NEEDS_HELPER_VOLUME, Step
from services.task.domain.ports import Clock, Lane, Tasks
from services.task.domain.rehearsals import answers_rehearsal, rehearse_round, rehearsed
from services.task.domain.saga import Cause, act, allowed_actions, fail, note, succeed
from services.task.domain.speed import over_speed
from services.task.domain.task import Task
from shared.telemetry import log


class AnswerHandlers:
    """What the other services and the agents say to running steps. An answer to a step that no longer runs is
    dropped: its epoch or request id is not the running one's."""

    def __init__(self, tasks: Tasks, lane: Lane, clock: Clock) -> None:
        self._tasks = tasks
        self._lane = lane
        self._clock = clock
        self._changes = TaskChanges(tasks, lane)
        self._progress: dict[str, AgentProgress] = {}
        self._followed: dict[str, AgentSyncRound] = {}

    def progress_of(self, task: Task) -> AgentProgress | None:
        """The newest report of the step that runs; None after a restart until the next one comes."""
        report = self._progress.get(task.id)
        return report if report is not None and report.epoch == task.epoch else None

    def newest_progress(self, task_id: str) -> TransferProgress | None:
        """What it says of the transfer, by the task's id."""
        report = self._progress.get(task_id)
        return report.progress if report else None

    async def on_provisioner_event(self, event: ProvisionerEvent, envelope: Envelope) -> None:
        """A target, volume, point, layer or machine is ready, or could not be made."""
        if isinstance(event, VolumeLost):
            await self._on_volume_lost(event, envelope)
            return

        def decide(task: Task) -> Task | None:
            cause = self._cause(type(event).__name__, envelope)
            if answers_rehearsal(task, event):
                return rehearsed(task, event, cause)
            if not answering_step(task, event):
                return None
            if isinstance(event, ProvisioningFailed):
                return fail(task, event.failure, cause, source_has_stopped=True)
            moved = succeed(task, cause, **learn_from_provisioner(task, event))
            return rehearse_round(moved, cause) if isinstance(event, PointTaken) else moved

        await self._change(envelope.account, event.task_id, envelope, decide)

    async def on_authority_created(self, event: AuthorityCreated, envelope: Envelope) -> None:
        """The task has its own certificate authority."""
        await self._end_step(event.task_id, Step.CREATE_AUTHORITY, envelope, lambda task: learn_authority(task, event))

    async def on_authority_destroyed(self, event: AuthorityDestroyed, envelope: Envelope) -> None:
        """No key of the task is left with the issuer."""
        await self._end_step(event.task_id, Step.DESTROY_AUTHORITY, envelope, lambda _: {})

    async def on_certificate(self, event: CertificateIssued | CertificateRefused, envelope: Envelope) -> None:
        """An agent's certificate request has been answered."""

        def decide(task: Task) -> Task | None:
            if event.request_id == renewal_request_id(task, event.role) and isinstance(event, CertificateIssued):
                return note(task, self._cause("certificate renewed", envelope), **learn_certificate(task, event))
            if task.request_id != event.request_id:
                return None
            cause = self._cause(type(event).__name__, envelope)
            if isinstance(event, CertificateRefused):
                return fail(task, event.failure, cause, source_has_stopped=True)
            return succeed(task, cause, **learn_certificate(task, event))

        await self._change(envelope.account, event.task_id, envelope, decide)

    async def on_agent_result(self, result: AgentResult, envelope: Envelope) -> None:
        """An agent has ended a command. Account and agent are the subject's: the bus vouches for them."""
        account, agent_id = owner_of_agent_subject(envelope.subject)

        def decide(task: Task) -> Task | None:
            command = agent_command(task)
            if command is None or command.agent_id != agent_id or result.epoch != task.epoch:
                return None
            if result.verb != command.message.VERB:
                return None
            cause = self._cause(f"{result.verb} ended", envelope)
            failure = failure_of(result)
            has_report = result.plan is not None or result.adaptation is not None
            learned = learn_from_agent(task, result) if failure is None or has_report else {}
            learned |= learn_cutover(task, result, cause.at) | learn_following(task, result, cause.at)
            if failure is not None:
                known = task.model_copy(update=learned)
                has_stopped = task.step is not None and is_source_step(task.step)
                return fail(known, failure, cause, source_has_stopped=has_stopped)
            return succeed(task, cause, **learned)

        await self._change(account, result.task_id, envelope, decide)

    async def on_agent_progress(self, progress: AgentProgress, envelope: Envelope) -> None:
        """Kept in memory only; the next one comes within half a second. Only the task's own source is believed."""
        account, agent_id = owner_of_agent_subject(envelope.subject)
        task = await self._tasks.load(account, progress.task_id)
        if task.server_id != agent_id or task.epoch != progress.epoch:
            return
        self._progress[task.id] = progress
        if progress.wire_rate_bit_s is not None and progress.minute_of_day is not None:
            await self._stop_above_the_limit(task, progress.wire_rate_bit_s, progress.minute_of_day)

    async def on_agent_sync_round(self, message: AgentSyncRound, envelope: Envelope) -> None:
        """Two rounds of a continuous sync tell whether it gets ahead of the source. Kept in memory only."""
        account, agent_id = owner_of_agent_subject(envelope.subject)
        task = await self._tasks.load(account, message.task_id)
        if task.server_id != agent_id or task.epoch != message.epoch or not task.is_following:
            return
        before, self._followed[task.id] = self._followed.get(task.id), message
        if before is None or before.epoch != message.epoch:
            return
        earlier = before.round

        def decide(current: Task) -> Task | None:
            if current.epoch != message.epoch:
                return None
            cause = self._cause("sync round ended", envelope)
            verdict = followed_convergence(current, earlier, message.round, cause.at)
            return note(current, cause, convergence=verdict) if verdict is not None else None

        await self._change(account, task.id, envelope, decide)

    async def _stop_above_the_limit(self, task: Task, wire_rate_bit_s: float, minute: int) -> None:
        failure = over_speed(task.speed_limits, wire_rate_bit_s, minute, task_id=task.id)
        if failure is None:
            return
        envelope = self._own_envelope(task, "over-speed")

        def decide(current: Task) -> Task | None:
            if current.epoch != task.epoch or TaskAction.STOP not in allowed_actions(current):
                return None
            cause = self._cause("above the speed limit", envelope)
            return act(current, TaskAction.STOP, cause, has_consent=False, overwrite_target=False, stopped_by=failure)

        await self._change(task.account, task.id, envelope, decide)

    async def on_command_refused(self, task: Task, failure: Failure) -> None:
        """An agent will not carry out the running step's command."""
        envelope = self._own_envelope(task, "refused")

        def decide(current: Task) -> Task | None:
            if current.epoch != task.epoch or current.step is None:
                return None
            return fail(current, failure, self._cause("command refused", envelope), source_has_stopped=True)

        await self._change(task.account, task.id, envelope, decide)

    async def on_step_skipped(self, task: Task) -> None:
        """The step need not be waited for any longer."""
        envelope = self._own_envelope(task, "skipped")

        def decide(current: Task) -> Task | None:
            if current.epoch != task.epoch:
                return None
            return succeed(current, self._cause("agent did not answer", envelope))

        await self._change(task.account, task.id, envelope, decide)

    async def _on_volume_lost(self, event: VolumeLost, envelope: Envelope) -> None:
        def decide(task: Task) -> Task | None:
            if task.helper is None or task.helper.volume_id != event.volume_id:
                return None
            if task.step not in NEEDS_HELPER_VOLUME:
                return None
            return fail(task, event.failure, self._cause("volume lost", envelope), source_has_stopped=False)

        await self._change(envelope.account, event.task_id, envelope, decide)

    async def _end_step(
        self, task_id: str, step: Step, envelope: Envelope, learn: Callable[[Task], dict[str, Any]]
    ) -> None:
        def decide(task: Task) -> Task | None:
            if task.step is not step:
                return None
            return succeed(task, self._cause(f"{step} ended", envelope), **learn(task))

        await self._change(envelope.account, task_id, envelope, decide)

    async def _change(self, account: str, task_id: str, envelope: Envelope, decide: Decide) -> None:
        try:
            changed = await self._changes.change(account, task_id, envelope, decide)
        except MigrationError as error:
            if error.code != TASK_NOT_FOUND.code:
                raise
            # An agent may name any task: nobody waits for this answer.
            log("answer for an unknown task", level=logging.WARNING, subject=envelope.subject)
            return
        if changed.step is None:
            self._progress.pop(task_id, None)
            self._followed.pop(task_id, None)

    def _cause(self, event: str, envelope: Envelope) -> Cause:
        return Cause(event=event, actor=envelope.actor or envelope.source, at=self._clock())

    @staticmethod
    def _own_envelope(task: Task, what: str) -> Envelope:
        return Envelope(
            id=f"{task.id}:{task.epoch}:{what}",
            type="sms.task.own",
            version=1,
            source="/services/task",
            account=task.account,
            correlation_id=task.id,
        )
