"""Counts of a running call, shared by its threads, and the reports made from them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contracts.layout import CopyVolume
from contracts.transfer import (
    CopySummary,
    SkippedPath,
    TransferProgress,
    TransferStage,
    VolumeProgress,
    VolumeSummary,
)

MAX_LISTED_PATHS = 1000
_SMOOTHING_S = 10.0


@dataclass(slots=True)
class VolumeCount:
    """Counts of one volume in the running call."""

    volume: CopyVolume
    files_seen: int = 0
    bytes_seen: int = 0
    files_done: int = 0
    bytes_done: int = 0
    files_sent: int = 0
    bytes_content: int = 0
    deleted: int = 0
    renamed: int = 0
    seconds: float = 0.0
    is_walked: bool = False

    def progress(self, walked_because: str) -> VolumeProgress:
        """The report; totals are the estimate until the walk has seen more, or has ended."""
        size, files = self.bytes_seen, self.files_seen
        if not self.is_walked:
            size, files = max(size, self.volume.estimated_bytes), max(files, self.volume.estimated_files)
        return VolumeProgress(
            volume=self.volume.index,
            mount_point=self.volume.mount_point,
            bytes_done=self.bytes_done,
            bytes_total=max(size, self.bytes_done),
            files_done=self.files_done,
            files_total=max(files, self.files_done),
            walked_because=walked_because,
        )

    def summary(self) -> VolumeSummary:
        """The report at the end."""
        return VolumeSummary(
            volume=self.volume.index,
            mount_point=self.volume.mount_point,
            files_total=self.files_seen,
            bytes_total=self.bytes_seen,
            files_sent=self.files_sent,
            bytes_content=self.bytes_content,
            deleted=self.deleted,
            renamed=self.renamed,
            seconds=self.seconds,
        )


@dataclass
class Tally:
    """All counts of a call. Threads add under the lock through the methods. lag_s, and walked_because of each volume:
    asked for each report."""

    task_id: str
    round_number: int
    volumes: Sequence[CopyVolume]
    stage: TransferStage = "connecting"
    files_changing: int = 0
    files_vanished: int = 0
    files_skipped: int = 0
    read_errors: int = 0
    raw_bytes: int = 0
    packed_bytes: int = 0
    bytes_resent: int = 0
    changing: list[str] = field(default_factory=list)
    skipped: list[SkippedPath] = field(default_factory=list)
    lag_s: Callable[[], float | None] = lambda: None
    walked_because: Callable[[int], str] = lambda _: ""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._rate_at = self._began
        self._rate_done = 0
        self._smoothed = 0.0
        self.of = {volume.index: VolumeCount(volume) for volume in self.volumes}

    def seen(self, volume: int, size: int, *, files: int = 1) -> None:
        """The walk met files."""
        count = self.of[volume]  # only the leading thread adds here
        count.files_seen += files
        count.bytes_seen += size

    def done(self, volume: int, *, files: int, size: int) -> None:
        """Files (or a part of one) need nothing more."""
        with self._lock:
            self.of[volume].files_done += files
            self.of[volume].bytes_done += size

    def unchanged(self, volume: int, *, files: int, size: int) -> None:
        """The walk met files that need nothing."""
        self.seen(volume, size, files=files)
        self.done(volume, files=files, size=size)

    def sent(self, volume: int, *, files: int, size: int) -> None:
        """Contents were sent."""
        with self._lock:
            self.of[volume].files_sent += files
            self.of[volume].bytes_content += size

    @property
    def bytes_content(self) -> int:
        """Contents that were sent so far."""
        return sum(count.bytes_content for count in self.of.values())

    def packed(self, *, raw: int, wire: int) -> None:
        """A payload was compressed from raw to wire bytes."""
        with self._lock:
            self.raw_bytes += raw
            self.packed_bytes += wire

    def change_while_read(self, path: str) -> None:
        """A file changed in each attempt."""
        with self._lock:
            self.files_changing += 1
            if len(self.changing) < MAX_LISTED_PATHS:
                self.changing.append(path)

    def vanish(self) -> None:
        """A file was gone when it was to be read."""
        with self._lock:
            self.files_vanished += 1

    def skip(self, path: str, reason: str, detail: str = "") -> None:
        """An entry is left out."""
        with self._lock:
            self.files_skipped += 1
            self.read_errors += reason == "read_error"
            if len(self.skipped) < MAX_LISTED_PATHS:
                self.skipped.append(SkippedPath(path=path, reason=reason, detail=detail))

    def progress(self, *, bytes_sent: int, is_stalled: bool) -> TransferProgress:
        """The report now; called by one thread, at regular times."""
        volumes = tuple(count.progress(self.walked_because(index)) for index, count in self.of.items())
        now = time.monotonic()
        done, total = sum(v.bytes_done for v in volumes), sum(v.bytes_total for v in volumes)
        interval_s = max(now - self._rate_at, 1e-3)
        rate = (done - self._rate_done) / interval_s
        self._rate_at, self._rate_done = now, done
        weight = min(1.0, interval_s / min(_SMOOTHING_S, max(now - self._began, 1e-3)))
        self._smoothed += (rate - self._smoothed) * weight
        return TransferProgress(
            task_id=self.task_id,
            stage=self.stage,
            round_number=self.round_number,
            volumes=volumes,
            bytes_done=done,
            bytes_total=total,
            files_done=sum(v.files_done for v in volumes),
            files_total=sum(v.files_total for v in volumes),
            bytes_sent=bytes_sent,
            rate_bytes_s=max(rate, 0.0),
            smoothed_rate_bytes_s=max(self._smoothed, 0.0),
            seconds_left=(total - done) / self._smoothed if self._smoothed > 1 else None,
            compression_ratio=self.raw_bytes / self.packed_bytes if self.packed_bytes else 1.0,
            is_stalled=is_stalled,
            seconds=now - self._began,
            lag_s=self.lag_s(),
        )

    def summary(self, *, bytes_sent: int, bytes_sent_again: int, reconnects: int) -> CopySummary:
        """The report at the end of the call."""
        volumes = tuple(count.summary() for count in self.of.values())
        return CopySummary(
            round_number=self.round_number,
            volumes=volumes,
            files_total=sum(v.files_total for v in volumes),
            bytes_total=sum(v.bytes_total for v in volumes),
            files_sent=sum(v.files_sent for v in volumes),
            bytes_content=self.bytes_content,
            bytes_sent=bytes_sent,
            bytes_resent=self.bytes_resent + bytes_sent_again,
            files_changing=self.files_changing,
            changing_paths=tuple(self.changing),
            files_vanished=self.files_vanished,
            files_skipped=self.files_skipped,
            skipped_paths=tuple(self.skipped),
            read_errors=self.read_errors,
            deleted=sum(v.deleted for v in volumes),
            renamed=sum(v.renamed for v in volumes),
            reconnects=reconnects,
            seconds=time.monotonic() - self._began,
        )


def shown(mount_point: str, path: bytes) -> str:
    """A path below a volume's root as the migrated system sees it, in text that any terminal can show."""
    text = path.decode("utf-8", "backslashreplace").replace("\n", "\\x0a")
    return mount_point.rstrip("/") + "/" + text
