"""Progress and results of the data plane, per file system and in all."""

from __future__ import annotations

from typing import Literal

from contracts.base import Model


class VolumeProgress(Model):
    """How far one file system is. bytes_total and files_total are estimates until the walk has ended."""

    volume: int
    mount_point: str
    target_disk: str
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0


class TransferProgress(Model):
    """A snapshot of a running copy, sync round or verification.

    bytes_sent: on the wire, compressed. rate_bytes_s: of the last second, of file contents; smoothed_rate_bytes_s
    over about 10 s. seconds_left is None while unknown. compression_ratio: contents divided by wire bytes.
    """

    activity: Literal["copy", "sync", "verify"] = "copy"
    volumes: tuple[VolumeProgress, ...] = ()
    bytes_sent: int = 0
    rate_bytes_s: float = 0.0
    smoothed_rate_bytes_s: float = 0.0
    seconds_left: float | None = None
    compression_ratio: float = 1.0
    is_stalled: bool = False


class SkippedPath(Model):
    """A path that was left out, and why: excluded, own, socket, swap_file, read_error, changing, vanished."""

    path: str
    reason: str


class CopySummary(Model):
    """The outcome of a full copy or of one sync round.

    bytes_done: contents transferred or found unchanged. bytes_read and bytes_sent (wire). bytes_resent: sent
    again after an interruption. skipped: at most the first 1,000; skipped_count counts all.
    """

    round_number: int = 0
    seconds: float = 0.0
    bytes_done: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    bytes_resent: int = 0
    files_done: int = 0
    files_sent: int = 0
    files_changing: int = 0
    files_vanished: int = 0
    entries_deleted: int = 0
    entries_renamed: int = 0
    skipped_count: int = 0
    skipped: tuple[SkippedPath, ...] = ()
    volumes: tuple[VolumeProgress, ...] = ()


class DifferingPath(Model):
    """One entry that is not as the last round read it. what: contents, kind, owner, mode, times, attributes,
    flags, link_target, hard_link, missing, extra."""

    path: str
    what: tuple[str, ...]


class DirectoryResult(Model):
    """Counts of one directory's direct entries."""

    path: str
    files: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0
    changed_since: int = 0


class VerificationReport(Model):
    """What the target holds on disk, compared with what the last round read on the source.

    changed_since: entries that changed on the source after that round; they are no defect. Lists of paths are
    cut at 1,000, the counts are whole. directories: only those with a difference, at most 1,000.
    """

    files: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    different: int = 0
    missing: int = 0
    extra: int = 0
    changed_since: int = 0
    differences: tuple[DifferingPath, ...] = ()
    changed_paths: tuple[str, ...] = ()
    skipped: tuple[SkippedPath, ...] = ()
    directories: tuple[DirectoryResult, ...] = ()

    @property
    def is_equal(self) -> bool:
        """No difference, nothing missing, nothing extra."""
        return not (self.different or self.missing or self.extra)
