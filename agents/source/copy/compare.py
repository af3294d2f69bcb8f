"""Streams the catalogue to the target, which answers with what it has otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.channel import Channel
from agents.source.copy.exclusions import Exclusions
from agents.source.copy.rows import Row
from agents.transfer.compression import AdaptiveCompressor
from agents.transfer.entries import Entry, EntryKind, decode_groups
from agents.transfer.frames import Kind, protocol_error
from agents.transfer.paths import join
from agents.transfer.verification import EXPECTED, RESULT, UNREAD, Aspect, DirectoryPart, Status, encode_part
from contracts.layout import CopyVolume

_PART_ENTRIES = 512
_FRAME_BYTES = 256 << 10
_FRAME_CONTENT_BYTES = 64 << 20


class CatalogueComparison(ABC):
    """take_result is called from the channel's thread while _send_all sends; what becomes of the verdicts differs."""

    def __init__(
        self, catalogue: Catalogue, volumes: Sequence[CopyVolume], exclusions: Callable[[CopyVolume], Exclusions]
    ) -> None:
        self._catalogue = catalogue
        self._volumes = {volume.index: volume for volume in volumes}
        self._exclusions = {volume.index: exclusions(volume) for volume in volumes}
        self._compressor = AdaptiveCompressor()

    def take_result(self, payload: bytes) -> None:
        """Take in verdicts on entries that are not equal."""
        for volume, path, entries in decode_groups(payload):
            if volume not in self._volumes or not self._is_compared(volume, path):
                raise protocol_error("verdict on a directory that is not compared")
            for entry in entries:
                if len(entry.data) != RESULT.size:
                    raise protocol_error(f"verdict of {len(entry.data)} bytes")
                status, aspects = RESULT.unpack(entry.data)
                self._judge(volume, path, entry, Status(status), Aspect(aspects))

    @abstractmethod
    def _is_compared(self, volume: int, path: bytes) -> bool:
        """Whether a directory has been sent."""

    @abstractmethod
    def _judge(self, volume: int, path: bytes, entry: Entry, status: Status, aspects: Aspect) -> None:
        """An entry of a directory is not equal."""

    def _send_all(self, channel: Channel) -> None:
        """All volumes; afterwards all verdicts have come. Raises what ended the channel."""
        last = 0
        for index in self._volumes:
            last = self._send_volume(channel, index) or last
        channel.wait_applied(last)

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
            self._sending(volume, path, chosen, content_bytes=content_bytes, contents=sum(reads))
            after = until
        return parts

    @abstractmethod
    def _reads(self, mount_point: str, path: bytes, row: Row) -> bool:
        """Whether the target is to read a file's contents."""

    @abstractmethod
    def _sending(self, volume: int, path: bytes, rows: list[Row], *, content_bytes: int, contents: int) -> None:
        """Rows of a directory are about to be sent; contents: of how many the target reads them, of that size."""

    def _expected(self, row: Row, *, is_read: bool) -> Entry:
        names = self._catalogue.names_of(row.volume, row.inode, row.kind) if row.link_group else 1
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
