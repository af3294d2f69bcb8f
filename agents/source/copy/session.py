"""The source's half of a task's copy: full copy, sync rounds, verification. See agents/source/copy/__init__.py."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel, ChannelSettings, SessionLostError
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.memory import return_large_buffers
from agents.source.copy.rate_limit import MinuteOfDay, TokenBucket, local_minute
from agents.source.copy.reconcile import Reconciliation
from agents.source.copy.reporter import Reporter
from agents.source.copy.restructure import Restructuring
from agents.source.copy.round_context import RoundContext
from agents.source.copy.sender import SenderPool
from agents.source.copy.tally import Tally
from agents.source.copy.verify import Sample, VerificationSource, named_exclusions
from agents.source.copy.volume_round import VolumeRound
from agents.transfer.messages import Hello, plan_digest
from agents.transfer.paths import open_root
from contracts.errors.code import MigrationError
from contracts.errors.transfer import SOURCE_UNREADABLE, STOPPED
from contracts.layout import CopyVolume
from contracts.speed_limit import SpeedLimit, SpeedLimits
from contracts.transfer import CopySummary, TransferProgress, VerificationReport

_MAX_PASSES = 4
_DEFAULT_RETRY_S = 24 * 3600.0


class SourceSession:
    """One task's copy. The calls block and run their own threads; one of copy, sync and verify at a time, the
    other methods from any thread. Everything that is known survives in state_folder: a new object with the same
    folder goes on where a killed one stopped.

    volumes: in copying order; source_path must show the file system as it is, without what is mounted below it
    (a private bind mount of its root, or any path on kernels from 5.2 on). excludes, own_paths, swap_files:
    absolute, as the migrated system sees them. on_progress: called at most twice a second, and once at the end,
    from a thread of the session. rate_limit_bit_s: round the clock, when there are no speed_limits. only_paths: as
    in TransferCommand. minute_of_day: the clock that speed limits go by. retry_s: how long a lost target is tried
    again before a call fails.
    """

    def __init__(
        self,
        *,
        task_id: str,
        volumes: Sequence[CopyVolume],
        endpoints: Sequence[tuple[str, int]],
        tls: ssl.SSLContext,
        state_folder: Path,
        excludes: Sequence[str],
        own_paths: Sequence[str],
        swap_files: Sequence[str] = (),
        rate_limit_bit_s: int | None = None,
        speed_limits: SpeedLimits | None = None,
        only_paths: Sequence[str] = (),
        minute_of_day: MinuteOfDay = local_minute,
        on_progress: Callable[[TransferProgress], None],
        retry_s: float = _DEFAULT_RETRY_S,
    ) -> None:
        return_large_buffers()
        self._task_id = task_id
        self._volumes = tuple(volumes)
        self._mount_points = {volume.index: volume.mount_point for volume in volumes}
        hello = Hello(task_id=task_id, role="source", plan_digest=plan_digest(self._mount_points))
        limits = speed_limits or SpeedLimits(otherwise=SpeedLimit(rate_bit_s=rate_limit_bit_s or None))
        self._rate_limit = TokenBucket(limits, minute_of_day=minute_of_day)
        self._only_paths = tuple(only_paths)
        self._settings = ChannelSettings(
            endpoints=endpoints, tls=tls, hello=hello, retry_s=retry_s, rate_limit=self._rate_limit
        )
        self._catalogue_path = state_folder / "catalogue.sqlite"
        self._excludes, self._own_paths, self._swap_files = tuple(excludes), tuple(own_paths), tuple(swap_files)
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._is_stopping = False

    def copy(self) -> CopySummary:
        """Full copy; called again after an interruption it sends only what the target does not hold yet.

        Raises MigrationError: SMS.TRANSFER.* or, from the target, SMS.TARGET.*.
        """
        return self._run_round(0)

    def sync(self, round_number: int) -> CopySummary:
        """One sync round: what changed, came, went or moved since the last one. round_number: from 1, growing.

        Raises MigrationError as copy does.
        """
        return self._run_round(round_number)

    def verify(self, sample: Sample | None = None) -> VerificationReport:
        """Have the target read everything back from its disk and compare it with what the last round read.

        sample: the files whose contents are read, all without one. Raises MigrationError as copy does.
        """
        chosen = sample or Sample()
        exclusions = named_exclusions(
            excludes=self._excludes,
            own_paths=self._own_paths,
            swap_files=self._swap_files,
            only_paths=self._only_paths,
        )
        tally = Tally(self._task_id, 0, self._volumes)
        with self._catalogue() as catalogue:
            while True:
                verification = VerificationSource(catalogue, self._volumes, self._exclusions, tally, chosen)
                try:
                    with self._open_channel(catalogue, tally, on_result=verification.take_result) as channel:
                        tally.stage = "verifying"
                        return verification.run(channel).model_copy(update={"exclusions": exclusions})
                except SessionLostError:
                    continue

    def request_stop(self) -> None:
        """End the running call, and any later one, with SMS.TRANSFER.STOPPED."""
        with self._lock:
            self._is_stopping = True
            if self._channel:
                self._channel.stop()

    @property
    def speed_limit(self) -> SpeedLimit:
        """The limit of the sending rate that holds now."""
        return self._rate_limit.limit

    def use_speed_limits(self, limits: SpeedLimits) -> None:
        """Change the limits of the sending rate; they act within a second."""
        self._rate_limit.set_limits(limits)

    def use_tls(self, tls: ssl.SSLContext) -> None:
        """Go on with a renewed certificate; the connections are made again without losing anything."""
        with self._lock:
            self._settings.tls = tls
            if self._channel:
                self._channel.use_tls(tls)

    def _run_round(self, round_number: int) -> CopySummary:
        tally = Tally(self._task_id, round_number, self._volumes)
        sent = [0, 0, 0]
        with self._catalogue() as catalogue:
            for _ in range(_MAX_PASSES):
                lost: list[int] = []
                try:
                    with self._open_channel(catalogue, tally, on_lost=lost.extend) as channel:
                        try:
                            self._copy_volumes(catalogue, channel, tally, round_number)
                        finally:
                            for index, value in enumerate(
                                (channel.bytes_sent, channel.bytes_sent_again, channel.reconnects)
                            ):
                                sent[index] += value
                except SessionLostError:
                    tally = self._again(tally)
                    continue
                if not lost:
                    break
                for row in lost:
                    catalogue.forget(row)
                tally = self._again(tally)
            tally.stage = "done"
            self._on_progress(tally.progress(bytes_sent=sent[0], is_stalled=False))
        return tally.summary(bytes_sent=sent[0], bytes_sent_again=sent[1], reconnects=sent[2])

    def _again(self, tally: Tally) -> Tally:
        """A pass over the same round starts its counts anew, but for what was sent twice."""
        following = Tally(self._task_id, tally.round_number, self._volumes)
        following.bytes_resent = tally.bytes_resent
        return following

    def _copy_volumes(self, catalogue: Catalogue, channel: Channel, tally: Tally, round_number: int) -> None:
        pool = SenderPool(channel, catalogue, tally, self._mount_points)
        try:
            for volume in self._volumes:
                root = self._open_volume(volume)
                try:
                    tally.stage = "copying"
                    count = tally.of[volume.index]
                    context = RoundContext(
                        volume=volume,
                        root=root,
                        device=os.fstat(root).st_dev,
                        is_first=catalogue.root(volume.index) is None,
                        round_number=round_number,
                        catalogue=catalogue,
                        channel=channel,
                        pool=pool,
                        restructuring=Restructuring(volume.index, catalogue, channel, pool, count),
                        exclusions=self._exclusions(volume),
                        tally=tally,
                        count=count,
                    )
                    VolumeRound(context).run()
                finally:
                    os.close(root)
        finally:
            pool.close()

    def _open_volume(self, volume: CopyVolume) -> int:
        try:
            return open_root(volume.source_path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise MigrationError(SOURCE_UNREADABLE, path=volume.source_path, reason=reason) from error

    def _exclusions(self, volume: CopyVolume) -> Exclusions:
        return Exclusions(
            volume.mount_point,
            excludes=self._excludes,
            own_paths=self._own_paths,
            swap_files=self._swap_files,
            only_paths=self._only_paths,
        )

    @contextmanager
    def _catalogue(self) -> Iterator[Catalogue]:
        catalogue = Catalogue(self._catalogue_path)
        try:
            yield catalogue
        finally:
            catalogue.close()

    @contextmanager
    def _open_channel(
        self,
        catalogue: Catalogue,
        tally: Tally,
        *,
        on_result: Callable[[bytes], None] = lambda _: None,
        on_lost: Callable[[tuple[int, ...]], None] = lambda _: None,
    ) -> Iterator[Channel]:
        channel = Channel(self._settings, on_result=on_result, on_lost_entries=on_lost)
        with self._lock:
            if self._is_stopping:
                raise MigrationError(STOPPED, task_id=self._task_id)
            self._channel = channel
        reporter = Reporter(catalogue, channel, tally, self._on_progress)
        try:
            reporter.start()
            channel.open(Reconciliation(catalogue, tally).first_sequence)
            yield channel
        finally:
            with self._lock:
                self._channel = None
            channel.close()
            reporter.stop()
