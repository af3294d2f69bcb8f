"""The source's half of a task's copy: full copy, sync rounds, verification. See agents/source/copy/__init__.py."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.catalogue_frames import IS_OPEN, IS_UNSURE
from agents.source.copy.channel import Channel, ChannelSettings, SessionLostError
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.following import Following
from agents.source.copy.memory import reuse_large_buffers
from agents.source.copy.rate_limit import MinuteOfDay, TokenBucket, local_minute
from agents.source.copy.reconcile import Reconciliation
from agents.source.copy.reporter import Reporter
from agents.source.copy.restore import Restoration
from agents.source.copy.rounds import Rounds
from agents.source.copy.tally import Tally
from agents.source.copy.verify import Sample, VerificationSource, named_exclusions
from agents.source.tracking.tracker import ChangeTracker
from agents.transfer.frames import protocol_error
from agents.transfer.messages import Hello, plan_digest
from contracts.errors.code import MigrationError
from contracts.errors.transfer import STOPPED
from contracts.layout import CopyVolume
from contracts.speed_limit import SpeedLimit, SpeedLimits
from contracts.transfer import CopySummary, FollowedRound, TransferProgress, VerificationReport

_MAX_PASSES = 4
_DEFAULT_RETRY_S = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class _Lead:
    """What a call has to work with. is_again: the target has turned out not to hold what it should. forget_lost: to be
    called after each round but the last."""

    rounds: Rounds
    tally: Tally
    is_again: bool
    forget_lost: Callable[[], object]


class SourceSession:
    """One task's copy. The calls block and run their own threads; one of copy, sync and verify at a time, the
    other methods from any thread. Everything that is known survives in state_folder: a new object with the same
    folder goes on where a killed one stopped.

    volumes: in copying order; source_path must show the file system as it is, without what is mounted below it
    (a private bind mount of its root, or any path on kernels from 5.2 on). excludes, own_paths, swap_files:
    absolute, as the migrated system sees them. on_progress: called at most twice a second, and once at the end,
    from a thread of the session. rate_limit_bit_s: round the clock, when there are no speed_limits. only_paths: as
    in TransferCommand. minute_of_day: the clock that speed limits go by. retry_s: how long a lost target is tried
    again before a call fails. tracker: outlives the session; without one, nothing is known of changes between calls.
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
        tracker: ChangeTracker | None = None,
    ) -> None:
        reuse_large_buffers()
        self._task_id = task_id
        self._volumes = tuple(volumes)
        mount_points = {volume.index: volume.mount_point for volume in volumes}
        hello = Hello(task_id=task_id, role="source", plan_digest=plan_digest(mount_points))
        limits = speed_limits or SpeedLimits(otherwise=SpeedLimit(rate_bit_s=rate_limit_bit_s or None))
        self._rate_limit = TokenBucket(limits, minute_of_day=minute_of_day)
        self._only_paths = tuple(only_paths)
        self._settings = ChannelSettings(
            endpoints=endpoints, tls=tls, hello=hello, retry_s=retry_s, rate_limit=self._rate_limit
        )
        self._catalogue_path = state_folder / "catalogue.sqlite"
        self._excludes, self._own_paths, self._swap_files = tuple(excludes), tuple(own_paths), tuple(swap_files)
        self._on_progress = on_progress
        self._tracker = tracker or ChangeTracker()
        if tracker:
            tracker.follow(self._volumes)
        # Anything that changes what is looked at; another value asks for a walk.
        left_out = (self._excludes, self._own_paths, self._swap_files, self._only_paths)
        self._scope = (str(state_folder), *("\n".join(paths) for paths in left_out))
        self._is_finishing = threading.Event()
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._is_stopping = False

    def copy(self) -> CopySummary:
        """Full copy; called again after an interruption it sends only what the target does not hold yet.

        Raises MigrationError: SMS.TRANSFER.* or, from the target, SMS.TARGET.*.
        """
        return self._run(0, lambda lead: lead.rounds.walk_all())

    def sync(self, round_number: int, *, by_changes: bool = False) -> CopySummary:
        """One sync round: what changed, came, went or moved since the last one. round_number: from 1, growing.

        by_changes: look only at what the tracker knows to have changed, where it knows. Raises MigrationError as
        copy does.
        """

        def work(lead: _Lead) -> None:
            if by_changes and not lead.is_again:
                lead.rounds.look_at_changes()
            else:
                lead.rounds.walk_all()

        return self._run(round_number, work)

    def follow(self, round_number: int, on_round: Callable[[FollowedRound], None] = lambda _: None) -> CopySummary:
        """Sync rounds, one after the other, until finish_following; the counts are of all of them.

        on_round: called after each of them, in the same thread. Raises MigrationError as copy does.
        """

        def work(lead: _Lead) -> None:
            def ended(followed: FollowedRound) -> None:
                lead.forget_lost()
                on_round(followed)

            Following(lead.rounds, lead.tally, self._tracker, ended).run(self._is_finishing)

        return self._run(round_number, work)

    def finish_following(self) -> None:
        """End follow with the round that is under way and a last one; what is called later is not affected."""
        self._is_finishing.set()
        self._tracker.wake()

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
        tally = self._new_tally(0)
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
            self.finish_following()
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

    def _run(self, round_number: int, work: Callable[[_Lead], None]) -> CopySummary:
        """work: called again when the target turns out not to hold what it should, and told so."""
        tally = self._new_tally(round_number)
        sent = [0, 0, 0]
        passes = 0
        is_again = False
        with self._catalogue() as catalogue:
            while True:
                lost: set[int] = set()
                restoration = Restoration(catalogue, self._volumes, self._exclusions)
                on_lost = partial(_note_lost, catalogue, lost)
                try:
                    with self._open_channel(
                        catalogue, tally, on_lost=on_lost, on_result=restoration.take_result
                    ) as channel:
                        try:
                            self._restore(catalogue, channel, tally, lost, restoration)
                            self._lead(catalogue, channel, tally, lost, work, is_again=is_again)
                        finally:
                            for index, value in enumerate(
                                (channel.bytes_sent, channel.bytes_sent_again, channel.reconnects)
                            ):
                                sent[index] += value
                except SessionLostError:
                    tally, is_again = self._again(tally), True
                    continue
                passes += 1
                if not self._forget(catalogue, lost) or passes == _MAX_PASSES:
                    break
                tally, is_again = self._again(tally), True
            tally.stage = "done"
            self._on_progress(tally.progress(bytes_sent=sent[0], is_stalled=False))
        return tally.summary(bytes_sent=sent[0], bytes_sent_again=sent[1], reconnects=sent[2])

    def _lead(
        self,
        catalogue: Catalogue,
        channel: Channel,
        tally: Tally,
        lost: set[int],
        work: Callable[[_Lead], None],
        *,
        is_again: bool,
    ) -> None:
        exclusions = {volume.index: self._exclusions(volume) for volume in self._volumes}
        rounds = Rounds(self._volumes, exclusions, self._scope, catalogue, channel, tally, self._tracker)
        try:
            forget_lost = partial(self._forget, catalogue, lost)
            work(_Lead(rounds=rounds, tally=tally, is_again=is_again, forget_lost=forget_lost))
        finally:
            rounds.close()

    def _restore(
        self, catalogue: Catalogue, channel: Channel, tally: Tally, lost: set[int], restoration: Restoration
    ) -> None:
        if not catalogue.fact(IS_UNSURE):
            return
        tally.stage = "verifying"
        self._tracker.give_up()
        restoration.run(channel)
        self._forget(catalogue, lost)
        catalogue.set_fact(IS_UNSURE, 0)
        catalogue.commit()

    def _forget(self, catalogue: Catalogue, lost: set[int]) -> int:
        """What the target does not have after all is new to the next walk, and the next round is one."""
        rows = lost.copy()
        lost.difference_update(rows)
        for row in rows:
            catalogue.forget(row)
        if rows:
            self._tracker.give_up()
        return len(rows)

    def _new_tally(self, round_number: int) -> Tally:
        tally = Tally(self._task_id, round_number, self._volumes)
        tally.lag_s, tally.walked_because = self._tracker.lag_s, self._tracker.walked_because
        return tally

    def _again(self, tally: Tally) -> Tally:
        """A pass over the same round starts its counts anew, but for what was sent twice."""
        following = self._new_tally(tally.round_number)
        following.bytes_resent = tally.bytes_resent
        return following

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
            reconciliation = Reconciliation(catalogue, tally)
            channel.open(reconciliation.first_sequence)
            if reconciliation.has_lost:
                self._tracker.give_up()
            with _noted_end(catalogue):
                yield channel
        finally:
            with self._lock:
                self._channel = None
            channel.close()
            reporter.stop()


@contextmanager
def _noted_end(catalogue: Catalogue) -> Iterator[None]:
    """Tells a session that was killed, or in which something could not be written down, from others."""
    try:
        yield
    except (MigrationError, SessionLostError):
        catalogue.set_fact(IS_OPEN, 0)
        raise
    catalogue.set_fact(IS_OPEN, 0)


def _note_lost(catalogue: Catalogue, lost: set[int], rows: tuple[int, ...]) -> None:
    if not catalogue.has_given(rows):
        raise protocol_error("loss of an entry that there is not")
    lost.update(rows)
