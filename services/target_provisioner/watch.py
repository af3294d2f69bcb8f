"""What happens without a message: machines become healthy or fail, rehearsals end, and volumes disappear."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.rehearsal import REHEARSAL_INTERRUPTED
from contracts.errors.target import TARGET_HOST_UNAVAILABLE, TARGET_UNKNOWN, TARGET_VOLUME_LOST
from contracts.messages.target_provisioner import (
    LaunchTarget,
    ProvisionerEvent,
    RehearseTarget,
    TargetLaunched,
    TargetRehearsed,
    VolumeLost,
)
from contracts.rehearsal import RehearsalReport
from services.target_provisioner.domain.launch_health import judge
from services.target_provisioner.domain.ports import Targets
from services.target_provisioner.domain.target import Launching, Rehearsing, Target, without_machine, without_rehearsal
from services.target_provisioner.handlers import Handlers, answer_of, failed
from services.target_provisioner.steps import Steps, machine_of, volume_finding
from shared.store import ConflictError, StoreUnavailableError
from shared.telemetry import log


class Watch:
    """Looks at starting machines and at the volumes of helpers, for as long as the process lives."""

    def __init__(self, targets: Targets, steps: Steps, handlers: Handlers) -> None:
        self._targets = targets
        self._steps = steps
        self._handlers = handlers

    async def launches(self, *, interval_s: float) -> None:
        """Follow every machine that is starting, and every rehearsal."""
        while True:
            await self._round("launch")
            await asyncio.sleep(interval_s)

    async def volumes(self, *, interval_s: float) -> None:
        """Look at the volume of every helper."""
        while True:
            await self._round("volume")
            await asyncio.sleep(interval_s)

    async def _round(self, what: str) -> None:
        try:
            due = [
                (account, target.id)
                async for account, target in self._targets.watched()
                if (target.is_launching or target.is_rehearsing if what == "launch" else target.has_helper)
            ]
            await asyncio.gather(*(self._look(what, account, target_id) for account, target_id in dict.fromkeys(due)))
        except StoreUnavailableError as error:
            log("watch waits for the store", level=logging.WARNING, error=error)

    async def _look(self, what: str, account: str, target_id: str) -> None:
        lock = self._handlers.locks[account, target_id]
        if lock.locked():
            return
        async with lock:
            target, version = await self._targets.load(account, target_id)
            if target is None:
                return
            try:
                if what == "launch" and target.rehearsing is not None:
                    target, version = await self._follow_rehearsal(account, target, version, target.rehearsing)
                if what == "launch" and target.launching is not None:
                    await self._follow(account, target, version, target.launching)
                elif what == "volume" and target.has_helper:
                    await self._check_volume(account, target, version)
            except ConflictError:
                return  # Another replica of this service was faster.
            except MigrationError as error:
                level = logging.DEBUG if error.code == TARGET_HOST_UNAVAILABLE.code else logging.WARNING
                log("watch looks again", level=level, code=error.code, target_id=target_id)

    async def _follow(self, account: str, target: Target, version: int, launching: Launching) -> None:
        command = launching.command
        provider = self._steps.provider(target)
        state = await provider.machine_state(target.id, command.layer_id, command.health_check)
        verdict = judge(state, command.health_check)
        if verdict == "wait":
            return
        event: ProvisionerEvent
        if isinstance(verdict, Failure):
            await provider.delete_layer(target.id, command.layer_id)
            new, event = without_machine(target, command.layer_id), failed(command, "launch", verdict)
        else:
            event = _launched(command, boot_seconds=state.seconds, target=target)
            changes = {"state": "launched", "launching": None, "is_launching": False, "machine": machine_of(state)}
            new = target.model_copy(update=changes)
        log("launch ended", target_id=target.id, outcome=event.TYPE, seconds=state.seconds)
        cause = _no_message(account, correlation_id=launching.correlation_id, actor=launching.actor)
        await self._targets.save(account, new.answered(answer_of(event)), version, says=[event], cause=cause)

    async def _follow_rehearsal(
        self, account: str, target: Target, version: int, rehearsing: Rehearsing
    ) -> tuple[Target, int]:
        """The record and its version after that."""
        provider, command = self._steps.provider(target), rehearsing.command
        try:
            report = await provider.rehearsal_report(target.id, rehearsing.id)
        except MigrationError as error:
            if error.code != TARGET_UNKNOWN.code:
                raise
            report = _lost_rehearsal(command, self._steps.clock())
        if report is None:
            return target, version
        await provider.end_rehearsal(target.id, rehearsing.id)
        event = TargetRehearsed(
            request_id=command.request_id, task_id=command.task_id, target_id=command.target_id, report=report
        )
        log("rehearsal ended", target_id=target.id, verdict=report.verdict, seconds=report.seconds)
        new = without_rehearsal(target).answered(answer_of(event))
        cause = _no_message(account, correlation_id=rehearsing.correlation_id, actor=rehearsing.actor)
        await self._targets.save(account, new, version, says=[event], cause=cause)
        return new, version + 1

    async def _check_volume(self, account: str, target: Target, version: int) -> None:
        provider = self._steps.provider(target)
        state = await provider.helper_state(target.id)
        finding = volume_finding(state, target.volume_id)
        if not finding:
            return
        await provider.stop_helper(target.id, release_volume=True)
        event = VolumeLost(
            request_id="",
            task_id=target.task_id,
            target_id=target.id,
            volume_id=target.volume_id,
            failure=TARGET_VOLUME_LOST.failure(volume_id=target.volume_id, finding=finding),
            lost_at=self._steps.clock(),
        )
        log("volume lost", level=logging.ERROR, target_id=target.id, finding=finding)
        gone = {"volume_id": "", "volume_attached_at": None, "has_helper": False, "helper_agent_id": ""}
        new = target.model_copy(update=gone)
        cause = _no_message(account, correlation_id=target.task_id, actor="")
        await self._targets.save(account, new, version, says=[event], cause=cause)


def _launched(command: LaunchTarget, *, boot_seconds: float, target: Target) -> TargetLaunched:
    if target.machine is None:
        raise TypeError("a target that is starting has a machine")
    return TargetLaunched(
        request_id=command.request_id,
        task_id=command.task_id,
        target_id=command.target_id,
        machine=target.machine,
        boot_seconds=boot_seconds,
    )


def _lost_rehearsal(command: RehearseTarget, now: datetime) -> RehearsalReport:
    failure = REHEARSAL_INTERRUPTED.failure(reason="its host knows nothing of it any more")
    return RehearsalReport(verdict="red", failures=(failure,), point_id=command.point_id, started_at=now, seconds=0)


def _no_message(account: str, *, correlation_id: str, actor: str) -> Envelope:
    """What stands where a message's envelope would: nothing is applied by it."""
    return Envelope(
        type="",
        version=1,
        source="/services/target_provisioner",
        account=account,
        id="",
        correlation_id=correlation_id,
        actor=actor,
    )
