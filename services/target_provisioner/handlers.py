"""One coroutine per message: load, decide, save. Every command is answered once, however often it comes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

from contracts.base import all_messages
from contracts.envelope import Envelope
from contracts.errors import Failure, MigrationError
from contracts.errors.platform import BUS_UNAVAILABLE, SERVICE_UNAVAILABLE
from contracts.errors.target import TARGET_UNKNOWN
from contracts.messages.target_provisioner import (
    Census,
    CensusRequest,
    ProvisionerCommand,
    ProvisionerEvent,
    ProvisioningFailed,
    ShowTarget,
    TargetDetails,
)
from services.target_provisioner.domain.ports import Targets
from services.target_provisioner.domain.target import Answer, Target
from services.target_provisioner.steps import Steps
from shared.telemetry import log, step

# Identity or the bus is away: the command stays on the bus and comes again.
_TRY_AGAIN: Final = frozenset({SERVICE_UNAVAILABLE.code, BUS_UNAVAILABLE.code})


class Handlers:
    """Commands and requests. One thing at a time per target in this process; versions guard against another."""

    def __init__(self, targets: Targets, steps: Steps) -> None:
        self._targets = targets
        self._steps = steps
        self.locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def command(self, command: ProvisionerCommand, cause: Envelope) -> None:
        """Carry a command out, or repeat the answer that it was given before."""
        async with self.locks[cause.account, command.target_id]:
            target, version = await self._targets.load(cause.account, command.target_id)
            known = target.answer_to(command.request_id) if target is not None else None
            if target is not None and known is not None:
                await self._targets.save(cause.account, target, version, says=[event_of(known)], cause=cause)
                return
            if target is not None and _is_under_way(target, command):
                await self._targets.save(cause.account, target, version, says=[], cause=cause)
                return
            new, event = await self._carried_out(command, target, cause)
            await self._save(cause, new, version, event)

    async def show(self, request: ShowTarget, cause: Envelope) -> TargetDetails:
        """Raises MigrationError SMS.TARGET.UNKNOWN, for a foreign target too."""
        target, _ = await self._targets.load(cause.account, request.target_id)
        if target is None:
            raise MigrationError(TARGET_UNKNOWN, kind="target", id=request.target_id, target_id=request.target_id)
        return TargetDetails(
            target_id=target.id,
            state=target.state,
            provider=target.provider,
            disks=target.disks,
            replica_disks=target.replica_disks,
            machine=target.machine,
            points=target.points,
            volume_id=target.volume_id,
            helper_agent_id=target.helper_agent_id,
        )

    async def census(self, _: CensusRequest, __: Envelope) -> Census:
        """What exists at all providers."""
        found = [await provider.census() for provider in self._steps.providers.values()]
        return Census(
            kept=tuple(name for part in found for name in part.kept),
            temporary=tuple(name for part in found for name in part.temporary),
        )

    async def _carried_out(
        self, command: ProvisionerCommand, target: Target | None, cause: Envelope
    ) -> tuple[Target, ProvisionerEvent | None]:
        name = command.TYPE.rsplit(".", 1)[1]
        try:
            async with step(name, target_id=command.target_id, task_id=command.task_id):
                return await self._steps.carry_out(command, target, cause)
        except MigrationError as error:
            if error.code in _TRY_AGAIN:
                raise
            log("command failed", code=error.code, step=name, target_id=command.target_id)
            known = target or Target(id=command.target_id, task_id=command.task_id, state="released")
            return known, failed(command, name, error.failure)

    async def _save(self, cause: Envelope, target: Target, version: int, event: ProvisionerEvent | None) -> None:
        if event is not None:
            target = target.answered(answer_of(event))
        says = [event] if event is not None else []
        await self._targets.save(cause.account, target, version, says=says, cause=cause)


def failed(command: ProvisionerCommand, name: str, failure: Failure) -> ProvisioningFailed:
    """The event that says why a command ended without success."""
    return ProvisioningFailed(
        request_id=command.request_id,
        task_id=command.task_id,
        target_id=command.target_id,
        step=name,
        failure=failure,
    )


def answer_of(event: ProvisionerEvent) -> Answer:
    """An event as the record remembers it."""
    return Answer(request_id=event.request_id, type=event.TYPE, event=event.model_dump_json())


def event_of(answer: Answer) -> ProvisionerEvent:
    """The remembered event. Raises TypeError when the record holds something else."""
    model = all_messages()[answer.type, 1]
    event = model.model_validate_json(answer.event)
    if not isinstance(event, ProvisionerEvent):
        raise TypeError(f"{answer.type} answers no command")
    return event


def _is_under_way(target: Target, command: ProvisionerCommand) -> bool:
    begun = (target.launching, target.rehearsing)
    return any(each is not None and each.command.request_id == command.request_id for each in begun)
