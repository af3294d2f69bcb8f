"""Files of an NTFS volume: by record, by path, and their contents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from agents.source.inventory.superblocks.binary import u16, u32, u64
from agents.source.inventory.volume_reader import VolumeReader
from agents.source.ntfs.folders import Entry, index_entries
from agents.source.ntfs.records import (
    ATTRIBUTE_LIST,
    DATA,
    INDEX_ALLOCATION,
    INDEX_ROOT,
    IS_ENCRYPTED,
    STANDARD_INFORMATION,
    VOLUME_INFORMATION,
    VOLUME_NAME,
    Attribute,
    NtfsError,
    Run,
    attributes,
    mended,
    read_geometry,
)

_MFT: Final = 0
_VOLUME: Final = 3
_ROOT: Final = 5
_BITMAP: Final = 6
_RECORD_MASK: Final = (1 << 48) - 1
_IN_USE: Final = 1
_IS_FOLDER: Final = 2
# Windows writes no longer list; a few attributes of a file may be in as many records as the list can name.
_LARGEST_LIST_BYTES: Final = 256 << 10
_LARGEST_WHOLE_FILE: Final = 64 << 20
_DEEPEST_PATH: Final = 64
_CHUNK_BYTES: Final = 1 << 20
_IS_DIRTY: Final = 1
Stream = tuple[int, str]


class NtfsFile:
    """One file or folder. Its contents are those of the unnamed data stream."""

    def __init__(self, volume: NtfsVolume, number: int, found: tuple[Attribute, ...], *, is_folder: bool) -> None:
        self._volume = volume
        self.number = number
        self.is_folder = is_folder
        self._streams = _joined(found)

    @property
    def size_bytes(self) -> int:
        """0 for what has no data stream."""
        data = self._streams.get((DATA, ""))
        return data.size_bytes if data else 0

    @property
    def is_encrypted(self) -> bool:
        """By the encrypting file system: its contents can be read by its owner's key alone."""
        data, standard = self._streams.get((DATA, "")), self._streams.get((STANDARD_INFORMATION, ""))
        by_flag = standard is not None and bool(u32((standard.value or b"").ljust(36, b"\0"), 32) & IS_ENCRYPTED)
        return by_flag or (data is not None and data.is_encrypted)

    def stream(self, kind: int, name: str = "") -> Attribute | None:
        """An attribute, put together from its pieces."""
        return self._streams.get((kind, name))

    def read(self, offset: int, length: int) -> bytes:
        """Up to length bytes; shorter at the end. Raises NtfsError for compressed and encrypted contents."""
        data = self._streams.get((DATA, ""))
        if data is None:
            raise NtfsError("no contents")
        return self._volume.read_attribute(data, offset, length)

    def read_all(self, *, at_most: int = _LARGEST_WHOLE_FILE) -> bytes:
        """The whole contents. Raises NtfsError when there are more than at_most bytes."""
        if self.size_bytes > at_most:
            raise NtfsError("larger than what is read as a whole")
        return self.read(0, self.size_bytes)


class NtfsVolume:
    """Raises NtfsError when it is made of something that is no NTFS, and wherever the volume makes no sense."""

    def __init__(self, reader: VolumeReader) -> None:
        self._reader = reader
        self.geometry = read_geometry(reader.read(0, 512), reader.size_bytes)
        start = self.geometry.mft_cluster * self.geometry.cluster_size
        first = mended(reader.read(start, self.geometry.record_size), b"FILE")
        data = [one for one in attributes(first) if one.kind == DATA and not one.name]
        if not data:
            raise NtfsError("no MFT")
        self._mft = data[0]
        # The MFT's own pieces are named by its attribute list, which the piece in its first record can reach.
        self._mft = self.file(_MFT).stream(DATA) or self._mft

    @property
    def label(self) -> str:
        """The volume's name."""
        found = self.file(_VOLUME).stream(VOLUME_NAME)
        return (found.value or b"").decode("utf-16-le", "replace") if found else ""

    @property
    def is_dirty(self) -> bool:
        """It was not unmounted, or Windows is hibernated: its journal is not applied to what is read."""
        found = self.file(_VOLUME).stream(VOLUME_INFORMATION)
        return found is not None and bool(u16((found.value or b"").ljust(12, b"\0"), 10) & _IS_DIRTY)

    @property
    def records(self) -> int:
        """How many records the MFT has room for."""
        return self._mft.size_bytes // self.geometry.record_size

    def file(self, number: int) -> NtfsFile:
        """By its record's number."""
        record = self._record(number)
        if not u16(record, 22) & _IN_USE:
            raise NtfsError("record not in use")
        own = tuple(attributes(record))
        more = self._listed(number, own)
        return NtfsFile(self, number, own + more, is_folder=bool(u16(record, 22) & _IS_FOLDER))

    def find(self, path: str) -> NtfsFile | None:
        """By a path with slashes from the root, in any case; None when there is none. Links are not followed."""
        found = self.file(_ROOT)
        names = [name for name in path.split("/") if name]
        if len(names) > _DEEPEST_PATH:
            raise NtfsError("path too deep")
        for name in names:
            # A folder may hold names that differ in case alone (written by others than Windows).
            fitting = (
                [one for one in self.entries(found) if one.name.upper() == name.upper()] if found.is_folder else []
            )
            if not fitting:
                return None
            chosen = next((one for one in fitting if one.name == name), fitting[0])
            found = self.file(chosen.number)
        return found

    def entries(self, folder: NtfsFile) -> Iterator[Entry]:
        """What a folder holds, the short names of DOS left out."""
        root = folder.stream(INDEX_ROOT, "$I30")
        if root is None or root.value is None:
            raise NtfsError("no index")
        blocks = folder.stream(INDEX_ALLOCATION, "$I30")

        def block(number: int) -> bytes:
            # Blocks are counted in clusters, or in sectors' worth of 512 bytes where a cluster is larger than one.
            index_size, cluster_size = self.geometry.index_size, self.geometry.cluster_size
            unit = cluster_size if cluster_size <= index_size else 512
            data = self.read_attribute(blocks, number * unit, index_size) if blocks else b""
            if len(data) < index_size:
                raise NtfsError("index block")
            return mended(data, b"INDX")

        yield from index_entries(root.value, block)

    def free_bytes(self) -> int:
        """Clusters that the volume's bitmap does not mark, in bytes."""
        found = self.file(_BITMAP).stream(DATA)
        if found is None:
            raise NtfsError("no bitmap")
        needed, used = (self.geometry.clusters + 7) // 8, 0
        for at in range(0, needed, _CHUNK_BYTES):
            chunk = self.read_attribute(found, at, min(_CHUNK_BYTES, needed - at))
            if len(chunk) < min(_CHUNK_BYTES, needed - at):
                raise NtfsError("bitmap")
            used += int.from_bytes(chunk, "little").bit_count()
        # The bits behind the last cluster are set.
        used -= needed * 8 - self.geometry.clusters
        return max(0, self.geometry.clusters - used) * self.geometry.cluster_size

    def encrypted_files(self, *, at_most: int = 1_000_000) -> int:
        """How many files the encrypting file system holds, as far as the first at_most records tell."""
        size = self.geometry.record_size
        per_chunk, count = max(1, _CHUNK_BYTES // size), 0
        for number in range(0, min(self.records, at_most), per_chunk):
            chunk = self.read_attribute(self._mft, number * size, per_chunk * size)
            count += sum(_says_encrypted(chunk[at : at + size]) for at in range(0, len(chunk) - size + 1, size))
        return count

    def read_attribute(self, found: Attribute, offset: int, length: int) -> bytes:
        """Bytes of an attribute's value; holes, and what was never written, are zeros."""
        if found.is_compressed and found.value is None:
            raise NtfsError("compressed contents are not read")
        if found.is_encrypted:
            raise NtfsError("encrypted contents are not read")
        length = max(0, min(length, found.size_bytes - offset))
        if found.value is not None:
            return found.value[offset : offset + length]
        if length > _LARGEST_WHOLE_FILE:
            raise NtfsError("too much at once")
        written = max(0, min(length, found.written_bytes - offset))
        return self._from_runs(found.runs, offset, written) + bytes(length - written)

    def _from_runs(self, runs: tuple[Run, ...], offset: int, length: int) -> bytes:
        cluster_size = self.geometry.cluster_size
        ends = list(accumulate(run.length for run in runs))
        parts: list[bytes] = []
        while length > 0:
            index = bisect_right(ends, offset // cluster_size)
            if index == len(runs):
                raise NtfsError("shorter than its size")
            run = runs[index]
            into = offset - (ends[index] - run.length) * cluster_size
            part = min(length, run.length * cluster_size - into)
            parts.append(self._clusters(run, into, part))
            offset, length = offset + part, length - part
        return b"".join(parts)

    def _clusters(self, run: Run, into: int, length: int) -> bytes:
        if run.start is None:
            return bytes(length)
        if run.start + run.length > self.geometry.clusters:
            raise NtfsError("a run beyond the end of the volume")
        data = self._reader.read(run.start * self.geometry.cluster_size + into, length)
        if len(data) < length:
            raise NtfsError("cannot be read")
        return data

    def _record(self, number: int) -> bytes:
        size = self.geometry.record_size
        record = self.read_attribute(self._mft, number * size, size)
        if len(record) < size:
            raise NtfsError("no such record")
        return mended(record, b"FILE")

    def _listed(self, number: int, own: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
        """The attributes that further records hold for this one."""
        lists = [one for one in own if one.kind == ATTRIBUTE_LIST]
        if not lists:
            return ()
        raw = self.read_attribute(lists[0], 0, _LARGEST_LIST_BYTES)
        others, at = dict[int, None](), 0
        while at + 26 <= len(raw) and u16(raw, at + 4) >= 26:
            others[u64(raw, at + 16) & _RECORD_MASK] = None
            at += u16(raw, at + 4)
        found: list[Attribute] = []
        for other in others:
            record = self._record(other) if other != number else b""
            if record and u64(record, 32) & _RECORD_MASK == number:
                found += attributes(record)
        return tuple(found)


def _joined(found: tuple[Attribute, ...]) -> dict[Stream, Attribute]:
    pieces: dict[Stream, list[Attribute]] = {}
    for one in found:
        pieces.setdefault((one.kind, one.name), []).append(one)
    return {stream: _whole(parts) for stream, parts in pieces.items()}


def _whole(parts: list[Attribute]) -> Attribute:
    first, *rest = sorted(parts, key=lambda part: part.first_cluster)
    if not rest or first.value is not None:
        return first
    runs = list(first.runs)
    for part in rest:
        if part.value is not None or part.first_cluster != sum(run.length for run in runs):
            raise NtfsError("pieces of an attribute")
        runs += part.runs
    return Attribute(
        kind=first.kind,
        name=first.name,
        is_compressed=first.is_compressed,
        is_encrypted=first.is_encrypted,
        runs=tuple(runs),
        size_bytes=first.size_bytes,
        written_bytes=first.written_bytes,
    )


def _says_encrypted(record: bytes) -> bool:
    """Of a file's standard information, which comes first in its record; without the pains of a full reading."""
    at = u16(record, 20)
    if record[:4] != b"FILE" or u16(record, 22) & (_IN_USE | _IS_FOLDER) != _IN_USE or at + 60 > len(record):
        return False
    value = at + u16(record, at + 20)
    return u32(record, at) == STANDARD_INFORMATION and bool(u32(record, value + 32) & IS_ENCRYPTED)
