"""Rounds over a task's volumes on one open channel: of everything, or of what has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.restructure import Restructuring
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import racy_before_ns
from agents.source.copy.sender import SenderPool
from agents.source.copy.tally import Tally
from agents.source.copy.volume_round import VolumeRound
from agents.source.tracking.changes import Changes
from agents.source.tracking.tracker import ChangeTracker
from agents.source.tracking.volume_tracker import Scope, VolumeTracker
from agents.transfer.paths import open_root
from contracts.errors.code import MigrationError
from contracts.errors.transfer import SOURCE_UNREADABLE
from contracts.layout import CopyVolume


class Rounds:
    """Used by the thread that leads the rounds. exclusions: by the volume's index. scope: tells exclusions apart."""

    def __init__(
        self,
        volumes: Sequence[CopyVolume],
        exclusions: Mapping[int, Exclusions],
        scope: Scope,
        catalogue: Catalogue,
        channel: Channel,
        tally: Tally,
        tracker: ChangeTracker,
    ) -> None:
        self._volumes = volumes
        self._exclusions = exclusions
        self._scope = scope
        self._catalogue = catalogue
        self._channel = channel
        self._tally = tally
        self._tracker = tracker
        mount_points = {volume.index: volume.mount_point for volume in volumes}
        self._devices = frozenset(_devices(volumes))
        self._pool = SenderPool(channel, catalogue, tally, mount_points)

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    @property
    def has_untracked(self) -> bool:
        """Whether there are volumes whose changes cannot be followed."""
        return any(self._tracker.of(volume.index) is None for volume in self._volumes)

    def walk_all(self) -> None:
        """Everything, volume by volume; afterwards the target holds, on disk, what was read. Raises MigrationError."""
        for volume in self._volumes:
            self._walk(volume)

    def look_at_changes(self, *, walks_untracked: bool = True) -> None:
        """What has changed since the last round; everything where that is not known. Raises MigrationError.

        walks_untracked: also volumes whose changes cannot be followed.
        """
        for volume in self._volumes:
            tracker = self._tracker.of(volume.index)
            if tracker is None:
                if walks_untracked:
                    self._walk(volume)
                continue
            changes = tracker.take(self._scope)
            if changes is None:
                self._walk(volume)
            elif changes.count or self._has_open_ends(volume.index):
                self._round(volume, tracker, changes)
            else:
                tracker.confirm({})

    def are_open(self) -> bool:
        """Whether the last round has left something that it knows of."""
        trackers = {volume.index: self._tracker.of(volume.index) for volume in self._volumes}
        return any(each.collect() or self._catalogue.has_pending(index) for index, each in trackers.items() if each)

    def _has_open_ends(self, volume: int) -> bool:
        """Directories that had just moved when their metadata was read, files that were read when just written."""
        racy = self._catalogue.racy(volume, before_ns=racy_before_ns(), limit=1)
        return bool(racy) or self._catalogue.has_pending(volume)

    def _walk(self, volume: CopyVolume) -> None:
        tracker, began_at = self._tracker.of(volume.index), time.monotonic()
        if tracker is not None:
            tracker.begin_walk(self._scope)
        self._round(volume, tracker, None)
        self._tracker.walked(volume.index, began_at=began_at)

    def _round(self, volume: CopyVolume, tracker: VolumeTracker | None, changes: Changes | None) -> None:
        root = _open_volume(volume)
        try:
            self._tally.stage = "copying"
            count = self._tally.of[volume.index]
            context = RoundContext(
                volume=volume,
                root=root,
                device=os.fstat(root).st_dev,
                is_first=self._catalogue.root(volume.index) is None,
                pass_number=self._catalogue.next_pass(),
                catalogue=self._catalogue,
                channel=self._channel,
                pool=self._pool,
                restructuring=Restructuring(volume.index, self._catalogue, self._channel, self._pool, count),
                exclusions=self._exclusions[volume.index],
                tally=self._tally,
                count=count,
                devices=self._devices,
                tracker=tracker,
            )
            VolumeRound(context, changes).run()
        finally:
            os.close(root)
        if tracker is not None:
            tracker.confirm(context.postponed)


def _devices(volumes: Sequence[CopyVolume]) -> Iterator[int]:
    for volume in volumes:
        # One that cannot be reached fails when its round begins.
        with suppress(OSError):
            yield os.stat(volume.source_path).st_dev


def _open_volume(volume: CopyVolume) -> int:
    try:
        return open_root(volume.source_path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MigrationError(SOURCE_UNREADABLE, path=volume.source_path, reason=reason) from error
