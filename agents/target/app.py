"""The target agent: in the helper, it prepares the replica's disks, receives the copy and adapts launch layers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from agents.session import AgentSession
from agents.target.adaptation import adapt, plan_adaptation
from agents.target.disks import PreparedDisks
from agents.target.serving import ReplicaServing
from agents.target.surroundings import Surroundings
from agents.task_folder import TaskFolder, task_folders
from contracts.adaptation import AdaptationReport
from contracts.errors import MigrationError
from contracts.errors.agent_work import AGENT_WORK_FAILED
from contracts.messages.agent import (
    AdaptLayer,
    AgentCommand,
    AgentRegistered,
    AgentResult,
    DetachReplica,
    MakeKey,
    PlanAdaptation,
    PrepareTarget,
    RenewCertificate,
)

_C = TypeVar("_C", bound=AgentCommand)
_IMAGES: Final = "images"


class TargetAgent:
    """own_paths: what of our own agent must not be on a target."""

    def __init__(
        self,
        session: AgentSession,
        *,
        state_folder: Path,
        work_folder: Path,
        own_paths: tuple[str, ...],
        version: str,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._session = session
        self._surroundings = surroundings or Surroundings()
        self._state_folder = state_folder
        self._work_folder = work_folder
        self._own_paths = own_paths
        self._version = version
        self._serving: ReplicaServing | None = None
        self._disks = asyncio.Lock()

    async def run(self) -> None:
        """Log in, go on serving what a restart interrupted, and serve commands until cancelled."""
        session = self._session
        self._serve(MakeKey, self.make_key)
        self._serve(PrepareTarget, self.prepare_target)
        self._serve(DetachReplica, self.detach_replica)
        self._serve(PlanAdaptation, self.plan_adaptation)
        self._serve(AdaptLayer, self.adapt_layer)
        session.on_command(RenewCertificate.VERB, RenewCertificate, self.renew_certificate)
        await self._serve_again()
        await session.start()
        await session.publish_status(
            AgentRegistered(role="target", session_id=session.session_id, agent_version=self._version)
        )
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Drain, write everything to the disks, let go of them."""
        async with self._disks:
            await self._detach()

    async def make_key(self, command: MakeKey) -> AgentResult:
        """A key for this task's channel; only its certificate request leaves."""
        folder = TaskFolder(self._state_folder, command.task_id)
        return _result(command, csr_pem=folder.certificate_request(command.account, "target"))

    async def prepare_target(self, command: PrepareTarget) -> AgentResult:
        """Attach, partition and format unless that has been done, mount, listen."""

        async def work() -> AgentResult:
            await self._detach()
            folder = TaskFolder(self._state_folder, command.task_id)
            folder.remember(command)
            serving = self._serving = self._new_serving(command, folder)
            port = await asyncio.to_thread(serving.start)
            # From here on a restart of this agent must find the replica formatted.
            folder.remember(command.model_copy(update={"is_formatted": True}))
            return _result(command, port=port)

        return await self._guarded(command, work())

    async def renew_certificate(self, command: RenewCertificate) -> None:
        """For the replica that is being served; there is nothing to renew when none is."""
        if self._serving is not None:
            self._serving.use_certificate(command.channel)

    async def detach_replica(self, command: DetachReplica) -> AgentResult:
        """After this everything received is on the disks, and nothing of them is open."""

        async def work() -> AgentResult:
            TaskFolder(self._state_folder, command.task_id).forget_command()
            await self._detach()
            return _result(command)

        return await self._guarded(command, work())

    async def plan_adaptation(self, command: PlanAdaptation) -> AgentResult:
        """Say what is to be changed in a launch layer, which is only read."""

        async def work() -> AgentResult:
            await self._detach()
            report = await asyncio.to_thread(self._on_layer, command, plan_adaptation, is_read_only=True)
            return _result(command, plan=report)

        return await self._guarded(command, work())

    async def adapt_layer(self, command: AdaptLayer) -> AgentResult:
        """Adapt the system in a launch layer; the replica is not attached while that happens."""

        async def work() -> AgentResult:
            await self._detach()
            kept = TaskFolder(self._state_folder, command.task_id).path / _IMAGES
            report = await asyncio.to_thread(self._on_layer, command, partial(adapt, memory_folder=kept))
            return _result(command, adaptation=report)

        return await self._guarded(command, work())

    def _on_layer(
        self,
        command: AdaptLayer | PlanAdaptation,
        work: Callable[..., AdaptationReport],
        *,
        is_read_only: bool = False,
    ) -> AdaptationReport:
        disks = PreparedDisks(self._work_folder / "layer", is_read_only=is_read_only)
        try:
            disks.attach(self._surroundings.disks(command.disks))
            return work(disks, command.layout, command.inventory, command.target_facts, own_paths=self._own_paths)
        finally:
            disks.detach()

    def _serve(self, model: type[_C], carry_out: Callable[[_C], Awaitable[AgentResult]]) -> None:
        async def handle(command: _C) -> None:
            await self._session.publish_status(await carry_out(command))

        self._session.on_command(model.VERB, model, handle)

    async def _serve_again(self) -> None:
        for folder in task_folders(self._state_folder):
            kind, text = folder.remembered() or ("", "")
            if kind == PrepareTarget.TYPE:
                command = PrepareTarget.model_validate_json(text)
                # A command that was cut short before the disks were formatted is repeated by the task service.
                if command.is_formatted:
                    await self._guarded(command, self._resume_serving(command, folder))

    async def _resume_serving(self, command: PrepareTarget, folder: TaskFolder) -> AgentResult:
        self._serving = self._new_serving(command, folder)
        return _result(command, port=await asyncio.to_thread(self._serving.start))

    def _new_serving(self, command: PrepareTarget, folder: TaskFolder) -> ReplicaServing:
        work_folder = self._work_folder / "replica"
        return ReplicaServing(command, folder=folder, work_folder=work_folder, surroundings=self._surroundings)

    async def _detach(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            await asyncio.to_thread(serving.stop)

    async def _guarded(self, command: AgentCommand, work: Coroutine[Any, Any, AgentResult]) -> AgentResult:
        """One thing at a time has the disks; a failure is an answer."""
        async with self._disks:
            try:
                return await work
            except MigrationError as error:
                return _result(command, failure=error.failure)
            except Exception as error:  # noqa: BLE001 - the edge of the agent's work: the task must learn of it
                reason = f"{type(error).__name__}: {error}"
                failure = AGENT_WORK_FAILED.failure(verb=command.VERB, task_id=command.task_id, reason=reason)
                return _result(command, failure=failure)


def _result(command: AgentCommand, **answer: object) -> AgentResult:
    return AgentResult.model_validate(
        {"task_id": command.task_id, "epoch": command.epoch, "verb": command.VERB, **answer}
    )
