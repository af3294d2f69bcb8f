"""What a running copy reports: progress, the summary of a round, and the verdict of a verification."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from contracts.base import Model

_MOST_SECONDS: Final = 1e9
_MOST_BYTES: Final = (1 << 63) - 1

TransferStage = Literal["connecting", "copying", "links", "directories", "settling", "verifying", "done"]


class VolumeProgress(Model):
    """Progress of one file system. bytes_total and files_total start as estimates and are refined by the walk.

    bytes_done counts file contents that need nothing more in this round, sent or found unchanged. walked_because: why
    every entry is looked at, and not only those that the kernel has told to have changed; "" while these are enough.
    """

    volume: int
    mount_point: str
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    walked_because: str = ""


class TransferProgress(Model):
    """Where a running call stands; at most two a second are reported, and always the last one.

    bytes_sent: on the wire, in this call. rate_bytes_s: of contents, over the last interval;
    smoothed_rate_bytes_s over about ten seconds. seconds_left: None while there is no rate.
    compression_ratio: contents divided by what travelled for them. is_stalled: no sign of life from the
    target for longer than expected, or the link is being re-made. lag_s: age of the oldest change on the source that
    the target has not on its disk; where the source's kernel does not tell of changes, the time since the last walk
    began that has ended. None before the target was in step for the first time.
    """

    task_id: str
    stage: TransferStage
    round_number: int = 0
    volumes: tuple[VolumeProgress, ...] = ()
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    bytes_sent: int = 0
    rate_bytes_s: float = 0.0
    smoothed_rate_bytes_s: float = 0.0
    seconds_left: float | None = None
    compression_ratio: float = 1.0
    is_stalled: bool = False
    seconds: float = 0.0
    lag_s: float | None = None


class FollowedRound(Model):
    """One of the rounds of a continuous sync, which has ended. after_s: between the beginnings of the one before and of
    this one, the time in which bytes_content of contents have changed; seconds: what it took to send them."""

    after_s: float = Field(ge=0, le=_MOST_SECONDS)
    seconds: float = Field(ge=0, le=_MOST_SECONDS)
    bytes_content: int = Field(ge=0, le=_MOST_BYTES)


class SkippedPath(Model):
    """An entry that was left out. path as the migrated system sees it (undecodable bytes as surrogate escapes
    written ``\\xNN``). reason: excluded, own, swap, socket, subvolume (of Btrfs, a
    snapshot), read_error, changed_kind, unsupported."""

    path: str
    reason: str
    detail: str = ""


class VolumeSummary(Model):
    """What one round did with one file system. bytes_content: contents that were read and sent."""

    volume: int
    mount_point: str
    files_total: int = 0
    bytes_total: int = 0
    files_sent: int = 0
    bytes_content: int = 0
    deleted: int = 0
    renamed: int = 0
    seconds: float = 0.0


class CopySummary(Model):
    """What a full copy or a sync round did.

    bytes_sent: on the wire. bytes_resent: of these, what had been sent before and was lost by an interruption
    (wire bytes; counted from both ends' journals). files_changing: files that changed in each of the attempts
    to read them; the next round takes them again. files_vanished: gone between listing and reading.
    files_skipped and changing_paths are capped lists, the counts are not. began_at: by the task service's clock; of
    rounds that followed each other, until when the target is in step.
    """

    round_number: int
    began_at: datetime | None = None
    volumes: tuple[VolumeSummary, ...] = ()
    files_total: int = 0
    bytes_total: int = 0
    files_sent: int = 0
    bytes_content: int = 0
    bytes_sent: int = 0
    bytes_resent: int = 0
    files_changing: int = 0
    changing_paths: tuple[str, ...] = ()
    files_vanished: int = 0
    files_skipped: int = 0
    skipped_paths: tuple[SkippedPath, ...] = ()
    read_errors: int = 0
    deleted: int = 0
    renamed: int = 0
    reconnects: int = 0
    seconds: float = 0.0


class PathDifference(Model):
    """One path whose replica differs. what: contents, size, owner, mode, mtime, xattrs, inode_flags,
    link_target, hard_link, device, kind."""

    path: str
    what: tuple[str, ...]


class DirectoryVerification(Model):
    """Counts below one directory (the tree is reported down to its second level)."""

    path: str
    files: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0
    changed_since: int = 0


class VerificationReport(Model):
    """The replica as read back from its disk, against what the last round read on the source.

    Entries that the source has changed since then are listed apart, as changed_since: that is no defect of the
    replica, and excuses none. The path lists are capped, the counts are not.

    mode quick: everything but contents, and the contents of a sample of the files, which seed and sample_percent
    define: the same seed takes the same paths. contents_read: files whose contents were read. exclusions: what was
    left out of the copy by name, and so was not looked at.
    """

    mode: Literal["full", "quick"] = "full"
    seed: int | None = None
    sample_percent: float = 100.0
    contents_read: int = 0
    exclusions: tuple[SkippedPath, ...] = ()

    files: int = 0
    bytes_read: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0
    changed_since: int = 0
    directories: tuple[DirectoryVerification, ...] = ()
    different_paths: tuple[PathDifference, ...] = ()
    missing_paths: tuple[str, ...] = ()
    extra_paths: tuple[str, ...] = ()
    changed_since_paths: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether the replica holds exactly what the last round read, apart from what changed since."""
        return not (self.different or self.missing or self.extra)
