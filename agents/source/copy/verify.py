"""The source's half of a verification: streams the catalogue, and tells changed-since from different."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xxhash

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.exclusions import EXCLUDED, Exclusions
from agents.source.copy.rows import Row
from agents.source.copy.tally import Tally
from agents.source.copy.verdicts import Verdicts
from agents.source.scan.directory_scan import signed
from agents.transfer.compression import AdaptiveCompressor
from agents.transfer.entries import Entry, EntryKind, decode_groups
from agents.transfer.frames import Kind, protocol_error
from agents.transfer.paths import join, open_directory, open_root
from agents.transfer.verification import EXPECTED, RESULT, UNREAD, Aspect, DirectoryPart, Status, encode_part
from contracts.layout import CopyVolume
from contracts.transfer import SkippedPath, VerificationReport

_PART_ENTRIES = 512
_FRAME_BYTES = 256 << 10
_FRAME_CONTENT_BYTES = 64 << 20
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


class VerificationSource:
    """One verification. take_result is called from the channel's thread while run sends."""

    def __init__(
        self,
        catalogue: Catalogue,
        volumes: Sequence[CopyVolume],
        exclusions: Callable[[CopyVolume], Exclusions],
        tally: Tally,
        sample: Sample,
    ) -> None:
        self._sample = sample
        self._catalogue = catalogue
        self._volumes = {volume.index: volume for volume in volumes}
        self._exclusions = {volume.index: exclusions(volume) for volume in volumes}
        self._tally = tally
        self._lock = threading.Lock()
        self._roots: dict[int, int] = {}
        self._verdicts = Verdicts()
        self._compressor = AdaptiveCompressor()

    def run(self, channel: Channel) -> VerificationReport:
        """Send everything, wait for the verdicts, and report. Raises MigrationError, SessionLostError."""
        began = time.monotonic()
        try:
            for volume in self._volumes.values():
                self._roots[volume.index] = open_root(volume.source_path)
            last = 0
            for index in self._volumes:
                last = self._send_volume(channel, index) or last
            channel.wait_applied(last)
        finally:
            for root in self._roots.values():
                os.close(root)
        return self._verdicts.report(seconds=time.monotonic() - began)

    def take_result(self, payload: bytes) -> None:
        """Take in verdicts on entries that are not equal."""
        for volume, path, entries in decode_groups(payload):
            mount_point = self._volumes[volume].mount_point if volume in self._volumes else ""
            if not mount_point or not self._verdicts.is_compared(mount_point, path):
                raise protocol_error("verdict on a directory that is not compared")
            for entry in entries:
                if len(entry.data) != RESULT.size:
                    raise protocol_error(f"verdict of {len(entry.data)} bytes")
                status, aspects = RESULT.unpack(entry.data)
                self._judge(volume, path, entry, Status(status), Aspect(aspects))

    def _send_volume(self, channel: Channel, volume: int) -> int:
        root = self._catalogue.root(volume)
        if root is None:
            return 0
        streams = list(channel.worker_streams)
        parts: list[bytes] = []
        size = turn = last = 0
        stack = [(b"", root)]
        while stack:
            path, row = stack.pop()
            rows = self._catalogue.children(row.row).values()
            children = sorted((c for c in rows if self._is_looked_at(volume, path, c.name)), key=lambda c: c.name)
            own = [row] if not path else []
            for part, content_bytes in self._parts(volume, path, own + children):
                parts.append(part)
                size += len(part) + content_bytes * _FRAME_BYTES // _FRAME_CONTENT_BYTES
                if size >= _FRAME_BYTES:
                    last = self._send(channel, streams[turn % len(streams)], parts)
                    parts, size, turn = [], 0, turn + 1
            inner = [(join(path, c.name), c) for c in children if c.kind is EntryKind.DIRECTORY]
            stack += reversed(inner)
        if parts:
            last = self._send(channel, streams[turn % len(streams)], parts)
        return last

    def _is_looked_at(self, volume: int, path: bytes, name: bytes) -> bool:
        return self._exclusions[volume].is_looked_at(join(path, name))

    def _send(self, channel: Channel, stream: int, parts: list[bytes]) -> int:
        flags, packed = self._compressor.compress(b"".join(parts))
        return channel.send(stream, Kind.VERIFY_BATCH, flags, packed)

    def _parts(self, volume: int, path: bytes, rows: list[Row]) -> list[tuple[bytes, int]]:
        parts = []
        after = b""
        for start in range(0, max(len(rows), 1), _PART_ENTRIES):
            chosen = rows[start : start + _PART_ENTRIES]
            is_last = start + _PART_ENTRIES >= len(rows)
            mount_point = self._volumes[volume].mount_point
            reads = [self._reads(mount_point, path, row) for row in chosen]
            entries = [self._expected(row, is_read=is_read) for row, is_read in zip(chosen, reads, strict=True)]
            until = chosen[-1].name if chosen else b""
            part = encode_part(DirectoryPart(volume, path, after, until, is_last, entries))
            content_bytes = sum(row.size for row, is_read in zip(chosen, reads, strict=True) if is_read)
            parts.append((part, content_bytes))
            self._verdicts.count(mount_point, path, files=len(chosen), size=content_bytes, contents=sum(reads))
            self._note_changes(volume, path, chosen)
            self._tally.seen(volume, content_bytes)
            self._tally.done(volume, files=len(chosen), size=content_bytes)
            after = until
        return parts

    def _reads(self, mount_point: str, path: bytes, row: Row) -> bool:
        return row.kind is EntryKind.REGULAR and self._sample.takes(mount_point, join(path, row.name))

    def _expected(self, row: Row, *, is_read: bool) -> Entry:
        names = self._catalogue.names_of(row.volume, row.inode) if row.link_group else 1
        content = (row.content or b"").ljust(16, b"\0")
        group = row.link_group % (1 << 64)
        block_bytes = row.block_bytes if is_read or row.kind is not EntryKind.REGULAR else UNREAD
        data = EXPECTED.pack(content, row.xattrs_hash or bytes(8), block_bytes, names, group)
        return Entry(
            kind=row.kind,
            name=row.name,
            mode=row.mode,
            uid=row.uid,
            gid=row.gid,
            inode_flags=row.inode_flags,
            mtime_ns=row.mtime_ns,
            size=row.size,
            device=row.device,
            row=row.row,
            data=data,
        )

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
