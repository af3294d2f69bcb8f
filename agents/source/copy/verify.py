"""The source's half of a verification: streams the catalogue, and tells changed-since from different."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xxhash

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.compare import CatalogueComparison
from agents.source.copy.exclusions import EXCLUDED, Exclusions
from agents.source.copy.rows import Row
from agents.source.copy.tally import Tally
from agents.source.copy.verdicts import Verdicts
from agents.source.scan.directory_scan import signed
from agents.transfer.entries import Entry, EntryKind
from agents.transfer.paths import join, open_directory, open_root
from agents.transfer.verification import Aspect, Status
from contracts.layout import CopyVolume
from contracts.transfer import SkippedPath, VerificationReport

_ALL_PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Of which files the contents are read: of all, or of those that a seed picks by their paths."""

    percent: float = 100.0
    seed: int = 0

    def takes(self, mount_point: str, path: bytes) -> bool:
        """The same seed takes the same paths, in whatever order they come."""
        if self.percent >= _ALL_PERCENT:
            return True
        place = xxhash.xxh3_64_intdigest(os.fsencode(mount_point) + b"\0" + path, seed=self.seed % (1 << 64))
        return place * _ALL_PERCENT < self.percent * (1 << 64)


class VerificationSource(CatalogueComparison):
    """One verification. take_result is called from the channel's thread while run sends."""

    def __init__(
        self,
        catalogue: Catalogue,
        volumes: Sequence[CopyVolume],
        exclusions: Callable[[CopyVolume], Exclusions],
        tally: Tally,
        sample: Sample,
    ) -> None:
        super().__init__(catalogue, volumes, exclusions)
        self._sample = sample
        self._tally = tally
        self._roots: dict[int, int] = {}
        self._verdicts = Verdicts()

    def run(self, channel: Channel) -> VerificationReport:
        """Send everything, wait for the verdicts, and report. Raises MigrationError, SessionLostError."""
        began = time.monotonic()
        try:
            for volume in self._volumes.values():
                self._roots[volume.index] = open_root(volume.source_path)
            self._send_all(channel)
        finally:
            for root in self._roots.values():
                os.close(root)
        return self._verdicts.report(seconds=time.monotonic() - began)

    def _is_compared(self, volume: int, path: bytes) -> bool:
        return self._verdicts.is_compared(self._volumes[volume].mount_point, path)

    def _reads(self, mount_point: str, path: bytes, row: Row) -> bool:
        return row.kind is EntryKind.REGULAR and self._sample.takes(mount_point, join(path, row.name))

    def _sending(self, volume: int, path: bytes, rows: list[Row], *, content_bytes: int, contents: int) -> None:
        mount_point = self._volumes[volume].mount_point
        self._verdicts.count(mount_point, path, files=len(rows), size=content_bytes, contents=contents)
        self._note_changes(volume, path, rows)
        self._tally.seen(volume, content_bytes)
        self._tally.done(volume, files=len(rows), size=content_bytes)

    def _judge(self, volume: int, path: bytes, entry: Entry, status: Status, aspects: Aspect) -> None:
        mount_point = self._volumes[volume].mount_point
        full = join(path, entry.name)
        if status is Status.EXTRA:
            if not self._exclusions[volume].reason(path, entry.name):
                self._verdicts.unexpected(mount_point, full)
            return
        if status is Status.MISSING:
            self._verdicts.missing(mount_point, full)
        else:
            what = tuple((aspect.name or "").lower() for aspect in Aspect if aspect in aspects)
            self._verdicts.different(mount_point, full, what)

    def _note_changes(self, volume: int, path: bytes, rows: list[Row]) -> None:
        """List what the source has changed since the round that the catalogue describes.

        That excuses no difference: the target is compared with what the round read.
        """
        try:
            directory = open_directory(self._roots[volume], path)
        except OSError:
            changed = rows
        else:
            try:
                changed = [row for row in rows if _has_changed(directory, row)]
            finally:
                os.close(directory)
        for row in changed:
            self._verdicts.changed_since(self._volumes[volume].mount_point, join(path, row.name))


def _has_changed(directory: int, row: Row) -> bool:
    try:
        state = os.stat(row.name or b".", dir_fd=directory, follow_symlinks=False)
    except OSError:
        return True
    found = (signed(state.st_ctime_ns), signed(state.st_mtime_ns), signed(state.st_ino), state.st_size)
    return found != (row.ctime_ns, row.mtime_ns, row.inode, row.size)


def named_exclusions(
    *, excludes: Sequence[str], own_paths: Sequence[str], swap_files: Sequence[str], only_paths: Sequence[str]
) -> tuple[SkippedPath, ...]:
    """What is left out by name, for the report; only_paths leave out everything else."""
    named = [
        SkippedPath(path=path, reason=reason)
        for paths, reason in ((excludes, EXCLUDED), (own_paths, "own"), (swap_files, "swap"))
        for path in paths
    ]
    if only_paths:
        detail = f"all but {', '.join(only_paths)}"
        named.append(SkippedPath(path="/", reason=EXCLUDED, detail=detail))
    return tuple(named)
