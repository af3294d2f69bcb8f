"""The source agent: registers its server, reports it, and carries out the commands of its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from agents.session import AgentSession
from agents.source.held import HeldSource
from agents.source.network_check import measure
from agents.source.tracking.tracker import ChangeTracker
from agents.source.transfer_work import TransferWork, unexpected
from agents.task_folder import TaskFolder, task_folders
from contracts.cutover import CommandOutcome, CutoverOutcome, CutoverWork
from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from contracts.messages.agent import (
    AgentCommand,
    AgentInventory,
    AgentProgress,
    AgentRegistered,
    AgentResult,
    AgentSyncRound,
    CollectInventory,
    CopyVolumes,
    ForgetTask,
    LimitSpeed,
    MakeKey,
    RenewCertificate,
    StopWork,
    SyncVolumes,
    TransferCommand,
    VerifyVolumes,
)
from contracts.messages.cutover import CutOver, ReleaseSource
from contracts.messages.network import CheckNetwork

_TRANSFERS: Final = (CopyVolumes, SyncVolumes, VerifyVolumes, CutOver)
# Of a continuous sync that is stopped: a target that is gone must not hold the user for longer.
_LAST_ROUND_S: Final = 10.0
_C = TypeVar("_C", bound=AgentCommand)


class SourceAgent:
    """look: collects the inventory anew; it runs in a thread. roots: mount point to a private view of that file system
    (`agents.source.bind`). forbids_commands: why users' commands are not run on this server, "" when they are."""

    def __init__(
        self,
        session: AgentSession,
        *,
        inventory: SourceInventory,
        look: Callable[[], SourceInventory],
        roots: Mapping[str, Path],
        state_folder: Path,
        own_paths: Sequence[str],
        forbids_commands: str = "",
    ) -> None:
        self._session = session
        self._inventory = inventory
        self._look = look
        self._roots = roots
        self._state_folder = state_folder
        self._own_paths = own_paths
        self._forbids_commands = forbids_commands
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, TransferWork] = {}
        self._limits_known: dict[str, int] = {}
        self._trackers: dict[str, ChangeTracker] = {}
        self._is_stopping = False
        self._publishing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Log in, register, go on with what a restart interrupted, and serve commands until cancelled."""
        session = self._session
        self._serve(MakeKey, self.make_key)
        for transfer in _TRANSFERS:
            self._serve(transfer, self.transfer)
        self._serve(StopWork, self.stop_work)
        self._serve(ReleaseSource, self.release_source)
        self._serve(CheckNetwork, self.check_network)
        self._serve(ForgetTask, self.forget_task)
        self._serve(CollectInventory, self.collect_inventory)
        session.on_command(RenewCertificate.VERB, RenewCertificate, self.renew_certificate)
        session.on_command(LimitSpeed.VERB, LimitSpeed, self.limit_speed)
        await session.start()
        await session.publish_status(
            AgentRegistered(
                role="source",
                session_id=session.session_id,
                agent_version=self._inventory.agent_version,
                inventory=self._inventory,
            )
        )
        for folder in task_folders(self._state_folder):
            self._release_in_time(folder)
        await asyncio.gather(*(self._resume(command) for command in self._interrupted()))
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """End the transfers; what they were doing is gone on with after the next start."""
        self._is_stopping = True
        await asyncio.gather(*(work.stop() for work in self._running.values()))

    async def make_key(self, command: MakeKey) -> AgentResult:
        """A key for this task's channel; only its certificate request leaves."""
        folder = TaskFolder(self._state_folder, command.task_id)
        csr_pem = folder.certificate_request(command.account, "source")
        return AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB, csr_pem=csr_pem)

    async def transfer(self, command: TransferCommand) -> AgentResult:
        """Copy, sync or verify; what ran for the task before is stopped first."""
        same = self._running.get(command.task_id)
        if same is not None and (same.command.epoch, same.command.VERB) == (command.epoch, command.VERB):
            return await same.result()
        await self._stop(command.task_id)
        folder = TaskFolder(self._state_folder, command.task_id)
        folder.remember(command)
        work = TransferWork(
            command,
            folder=folder,
            roots=self._roots,
            own_paths=self._own_paths,
            swap_files=[file.path for file in self._inventory.swap_file_headers],
            forbids_commands=self._forbids_commands,
            tracker=self._trackers.setdefault(command.task_id, ChangeTracker()),
            on_progress=self._report,
        )
        self._running[command.task_id] = work
        result = await work.run()
        if self._is_stopping:
            # The command stays remembered and unanswered: it goes on after the next start.
            raise asyncio.CancelledError
        if self._running.get(command.task_id) is work:
            del self._running[command.task_id]
            folder.forget_command()
        self._release_in_time(folder)
        return result

    async def renew_certificate(self, command: RenewCertificate) -> None:
        """For the task's running transfer; there is nothing to renew when none runs."""
        work = self._running.get(command.task_id)
        if work is not None:
            work.use_certificate(command.channel)

    async def limit_speed(self, command: LimitSpeed) -> None:
        """For the task's running transfer; the next one is told with its command."""
        work = self._running.get(command.task_id)
        if work is not None and self._limits_known.get(command.task_id, -1) < command.version:
            self._limits_known[command.task_id] = command.version
            work.use_speed_limits(command.limits)

    async def stop_work(self, command: StopWork) -> AgentResult:
        """Stop what runs for the task, and give the server back to its users."""
        work = self._running.get(command.task_id)
        summary = await work.finish_following(within_s=_LAST_ROUND_S) if work else None
        await self._stop(command.task_id)
        tracker = self._trackers.get(command.task_id)
        lag_s = tracker.lag_s() if tracker is not None else None
        TaskFolder(self._state_folder, command.task_id).forget_command()
        released = self._released(command, await self._release(command.task_id, "failed"))
        return released.model_copy(update={"summary": summary, "lag_s": lag_s})

    async def release_source(self, command: ReleaseSource) -> AgentResult:
        """The cutover has ended."""
        return self._released(command, await self._release(command.task_id, command.outcome))

    async def check_network(self, command: CheckNetwork) -> AgentResult:
        """Measure the way to the target; nothing of the server is read."""
        result = AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB)
        try:
            found = await asyncio.to_thread(measure, command, TaskFolder(self._state_folder, command.task_id))
        except MigrationError as error:
            return result.model_copy(update={"failure": error.failure})
        return result.model_copy(update={"network_check": found})

    async def forget_task(self, command: ForgetTask) -> AgentResult:
        """Remove every trace of the task."""
        await self._stop(command.task_id)
        await self._release(command.task_id, "failed")
        self._limits_known.pop(command.task_id, None)
        tracker = self._trackers.pop(command.task_id, None)
        if tracker is not None:
            await asyncio.to_thread(tracker.close)
        TaskFolder(self._state_folder, command.task_id).remove()
        return AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB)

    async def collect_inventory(self, command: CollectInventory) -> AgentResult:
        """Look at the server again."""
        try:
            self._inventory = await asyncio.to_thread(self._look)
        except OSError as error:
            failure = unexpected(command.VERB, command.task_id, error)
            return AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB, failure=failure)
        await self._session.publish_status(
            AgentInventory(session_id=self._session.session_id, inventory=self._inventory)
        )
        return AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB)

    async def _release(self, task_id: str, outcome: CutoverOutcome) -> tuple[CommandOutcome, ...]:
        waiting = self._waiting.pop(task_id, None)
        if waiting is not None:
            waiting.cancel()
        return await asyncio.to_thread(HeldSource(TaskFolder(self._state_folder, task_id)).release, outcome)

    def _release_in_time(self, folder: TaskFolder) -> None:
        """A source that waits for the end of a cutover must not wait for ever, whoever has died meanwhile."""
        left_s = HeldSource(folder).seconds_left()
        if left_s is None or folder.remembered() is not None:
            return

        async def wait() -> None:
            await asyncio.sleep(left_s)
            await asyncio.to_thread(HeldSource(folder).release, "failed")

        self._waiting[folder.task_id] = asyncio.create_task(wait(), name=f"held-{folder.task_id}")

    @staticmethod
    def _released(command: AgentCommand, outcomes: tuple[CommandOutcome, ...]) -> AgentResult:
        work = CutoverWork(after=outcomes) if outcomes else None
        return AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB, cutover=work)

    def _interrupted(self) -> list[TransferCommand]:
        commands: list[TransferCommand] = []
        for folder in task_folders(self._state_folder):
            kind, text = folder.remembered() or ("", "")
            commands += [model.model_validate_json(text) for model in _TRANSFERS if kind == model.TYPE]
        return commands

    def _serve(self, model: type[_C], carry_out: Callable[[_C], Awaitable[AgentResult]]) -> None:
        async def handle(command: _C) -> None:
            await self._session.publish_status(await carry_out(command))

        self._session.on_command(model.VERB, model, handle)

    async def _resume(self, command: TransferCommand) -> None:
        await self._session.publish_status(await self.transfer(command))

    async def _stop(self, task_id: str) -> None:
        work = self._running.pop(task_id, None)
        if work is not None:
            await work.stop()

    def _report(self, status: AgentProgress | AgentSyncRound) -> None:
        publishing = asyncio.get_running_loop().create_task(self._session.publish_core(status))
        self._publishing.add(publishing)
        publishing.add_done_callback(self._publishing.discard)
