"""One transfer of a task at a time: full copy, sync round or verification, in a thread, stoppable."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.source.bind import view_of
from agents.source.copy.rate_limit import local_minute
from agents.source.copy.session import SourceSession
from agents.source.copy.verify import Sample
from agents.source.copy.wire_meter import WireMeter
from agents.source.courtesy import place_of_task
from agents.source.cutover import Cutover, final_rounds
from agents.source.held import HeldSource
from agents.source.load import LoadMeter
from agents.source.tracking.tracker import ChangeTracker
from agents.task_folder import TaskFolder
from agents.transfer.tls import source_context
from contracts.errors import Failure, MigrationError
from contracts.errors.agent_work import AGENT_NO_VOLUME, AGENT_WORK_FAILED
from contracts.errors.cutover import CUTOVER_COMMANDS_FORBIDDEN
from contracts.layout import CopyVolume
from contracts.messages.agent import (
    AgentProgress,
    AgentResult,
    AgentSyncRound,
    ChannelEnd,
    SyncVolumes,
    TransferCommand,
    VerifyVolumes,
)
from contracts.messages.cutover import CutOver
from contracts.speed_limit import SpeedLimit, SpeedLimits
from contracts.transfer import CopySummary, FollowedRound, TransferProgress, VerificationReport

OnProgress = Callable[[AgentProgress | AgentSyncRound], None]
# Shorter rounds say nothing of a trend: most of their time is waiting for the target's disk.
_TELLING_S: Final = 2.0


class TransferWork:
    """Carries out one TransferCommand.

    roots: mount point to a private view of that file system. forbids_commands: why users' commands are not run on
    this server, "" when they are. tracker: of the task, it outlives this work. on_progress is called in the event loop.
    """

    def __init__(
        self,
        command: TransferCommand,
        *,
        folder: TaskFolder,
        roots: Mapping[str, Path],
        own_paths: Sequence[str],
        swap_files: Sequence[str] = (),
        forbids_commands: str = "",
        tracker: ChangeTracker | None = None,
        on_progress: OnProgress,
    ) -> None:
        self.command = command
        self._folder = folder
        self._roots = roots
        self._own_paths = own_paths
        self._swap_files = swap_files
        self._forbids_commands = forbids_commands
        self._tracker = tracker
        self._cutover: Cutover | None = None
        self._on_progress = on_progress
        self._loop = asyncio.get_running_loop()
        self._session: SourceSession | None = None
        self._has_stopped = False
        self._meter = WireMeter()
        self._load = LoadMeter()
        self._was_telling = False
        self._ended: asyncio.Future[AgentResult] = self._loop.create_future()

    async def result(self) -> AgentResult:
        """Wait for the work that `run` carries out elsewhere."""
        return await asyncio.shield(self._ended)

    async def run(self) -> AgentResult:
        """The result, also of a failure; only a cancellation raises."""
        result = await self._carry_out()
        self._ended.set_result(result)
        return result

    async def _carry_out(self) -> AgentResult:
        command = self.command
        result = AgentResult(task_id=command.task_id, epoch=command.epoch, verb=command.VERB)
        try:
            return await asyncio.to_thread(self._transfer_at_priority, result)
        except MigrationError as error:
            failure = error.failure
        except Exception as error:  # noqa: BLE001 - the edge of the agent's work: the task must learn of it
            failure = unexpected(command.VERB, command.task_id, error)
        work = self._cutover.work if self._cutover else None
        return result.model_copy(update={"failure": failure, "cutover": work})

    async def finish_following(self, *, within_s: float) -> CopySummary | None:
        """End a continuous sync with a last round; None where it is none, or does not end in time."""
        command, session = self.command, self._session
        if not isinstance(command, SyncVolumes) or not command.is_continuous or session is None:
            return None
        session.finish_following()
        with suppress(TimeoutError):
            return (await asyncio.wait_for(self.result(), within_s)).summary
        return None

    async def stop(self) -> None:
        """End the work and wait for it; what has been copied stays."""
        self._has_stopped = True
        if self._session is not None:
            self._session.request_stop()
        await self.result()

    def use_certificate(self, channel: ChannelEnd) -> None:
        """Present this certificate from the next connection on, also after a restart of the agent."""
        self.command = self.command.model_copy(update={"channel": channel})
        self._folder.remember(self.command)
        if self._session is not None:
            self._session.use_tls(self._tls(channel))

    def use_speed_limits(self, limits: SpeedLimits) -> None:
        """Obey these limits from now on, also after a restart of the agent."""
        changes = {"rate_limit_bit_s": limits.otherwise.rate_bit_s, "speed_limits": limits.periods}
        self.command = self.command.model_copy(update=changes)
        self._folder.remember(self.command)
        if self._session is not None:
            self._session.use_speed_limits(limits)

    def _tls(self, channel: ChannelEnd) -> ssl.SSLContext:
        return source_context(
            certificate=channel.certificate_pem, key=self._folder.key_pem(), authority=channel.authority_pem
        )

    def _transfer_at_priority(self, result: AgentResult) -> AgentResult:
        """The threads of the transfer inherit the place of the one that makes them."""
        with place_of_task(self.command.priority, self.command.limits):
            return self._transfer(result)

    def _transfer(self, result: AgentResult) -> AgentResult:
        command = self.command
        session = SourceSession(
            task_id=command.task_id,
            volumes=[self._reachable(volume) for volume in command.volumes],
            endpoints=command.endpoints,
            tls=self._tls(command.channel),
            state_folder=self._folder.work(command.generation),
            excludes=command.excludes,
            own_paths=self._own_paths,
            swap_files=self._swap_files,
            speed_limits=_limits_of(command),
            only_paths=command.only_paths,
            on_progress=self._report,
            tracker=self._tracker,
        )
        self._session = session
        # What was said while the session was being made.
        session.use_speed_limits(_limits_of(self.command))
        if self._has_stopped:
            session.request_stop()
        match command:
            case VerifyVolumes():
                return result.model_copy(update={"verification": _verified(session, command)})
            case CutOver():
                return self._cut_over(command, session, result)
            case SyncVolumes() if command.is_final:
                last, work = final_rounds(session, command)
                return result.model_copy(update={"summary": last, "cutover": work})
            case SyncVolumes() if command.is_continuous:
                return result.model_copy(update={"summary": session.follow(command.round_number, self._tell_of_round)})
            case SyncVolumes():
                return result.model_copy(update={"summary": session.sync(command.round_number, by_changes=True)})
            case _:
                return result.model_copy(update={"summary": session.copy()})

    def _cut_over(self, command: CutOver, session: SourceSession, result: AgentResult) -> AgentResult:
        if self._forbids_commands:
            raise MigrationError(CUTOVER_COMMANDS_FORBIDDEN, task_id=command.task_id, reason=self._forbids_commands)
        self._cutover = Cutover(
            command,
            session,
            HeldSource(self._folder),
            roots=self._roots,
            state_folder=self._folder.path,
            must_stop=lambda: self._has_stopped,
        )
        last = self._cutover.carry_out()
        return result.model_copy(update={"summary": last, "cutover": self._cutover.work})

    def _reachable(self, volume: CopyVolume) -> CopyVolume:
        root = view_of(volume, self._roots)
        if root is None:
            raise MigrationError(AGENT_NO_VOLUME, mount_point=volume.mount_point, task_id=self.command.task_id)
        return volume.model_copy(update={"source_path": str(root)})

    def _report(self, progress: TransferProgress) -> None:
        command = self.command
        limit = self._session.speed_limit if self._session is not None else SpeedLimit()
        message = AgentProgress(
            task_id=command.task_id,
            epoch=command.epoch,
            verb=command.VERB,
            progress=progress,
            wire_rate_bit_s=self._meter.rate_bit_s(progress.bytes_sent, limit, now_s=time.monotonic()),
            minute_of_day=local_minute(),
            load=self._load.load(now_s=time.monotonic()),
        )
        self._loop.call_soon_threadsafe(self._on_progress, message)

    def _tell_of_round(self, followed: FollowedRound) -> None:
        is_telling = followed.seconds >= _TELLING_S
        if is_telling or self._was_telling:
            message = AgentSyncRound(task_id=self.command.task_id, epoch=self.command.epoch, round=followed)
            self._loop.call_soon_threadsafe(self._on_progress, message)
        self._was_telling = is_telling


def _limits_of(command: TransferCommand) -> SpeedLimits:
    return SpeedLimits(otherwise=SpeedLimit(rate_bit_s=command.rate_limit_bit_s or None), periods=command.speed_limits)


def _verified(session: SourceSession, command: VerifyVolumes) -> VerificationReport:
    if command.mode == "full":
        return session.verify()
    report = session.verify(Sample(percent=command.sample_percent, seed=command.seed))
    quick = {"mode": command.mode, "seed": command.seed, "sample_percent": command.sample_percent}
    return report.model_copy(update=quick)


def unexpected(verb: str, task_id: str, error: Exception) -> Failure:
    """An error that no code stands for."""
    return AGENT_WORK_FAILED.failure(verb=verb, task_id=task_id, reason=f"{type(error).__name__}: {error}")
