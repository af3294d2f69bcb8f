"""The structures of NTFS: boot sector, records with their fix-ups, attributes, runs.

Offsets as in the documentation of the Linux-NTFS project. A volume is hostile input: whatever does not fit raises
NtfsError, and no length is believed before it was compared with what there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agents.source.inventory.superblocks.binary import u16, u32, u64

STANDARD_INFORMATION: Final = 0x10
ATTRIBUTE_LIST: Final = 0x20
FILE_NAME: Final = 0x30
VOLUME_NAME: Final = 0x60
VOLUME_INFORMATION: Final = 0x70
DATA: Final = 0x80
INDEX_ROOT: Final = 0x90
INDEX_ALLOCATION: Final = 0xA0
ATTRIBUTE_END: Final = 0xFFFFFFFF

IS_ENCRYPTED: Final = 0x4000
_IS_COMPRESSED: Final = 0x00FF
_STRIDE: Final = 512
_SECTOR_SIZES: Final = frozenset({512, 1024, 2048, 4096})
_LARGEST_CLUSTER: Final = 2 << 20
_LARGEST_RECORD: Final = 64 << 10


class NtfsError(Exception):
    """What is on the volume is not what NTFS would have written, or is of a kind that is not read."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What the boot sector says, in bytes. clusters: how many there are."""

    sector_size: int
    cluster_size: int
    clusters: int
    mft_cluster: int
    record_size: int
    index_size: int
    serial: int


@dataclass(frozen=True)
class Run:
    """Clusters of an attribute that lie together; start is None for a hole."""

    start: int | None
    length: int


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute, or the piece of one that a record holds. first_cluster: of the attribute, that it begins with."""

    kind: int
    name: str
    is_compressed: bool
    is_encrypted: bool
    value: bytes | None = None
    runs: tuple[Run, ...] = ()
    first_cluster: int = 0
    size_bytes: int = 0
    written_bytes: int = 0


def read_geometry(sector: bytes, size_bytes: int) -> Geometry:
    """size_bytes: of the volume, which the sector must not exceed."""
    if len(sector) < _STRIDE or sector[3:11] != b"NTFS    ":
        raise NtfsError("no NTFS boot sector")
    sector_size = u16(sector, 11)
    if sector_size not in _SECTOR_SIZES:
        raise NtfsError("sector size")
    # From 2^7 sectors on the byte is a negative power of two.
    per_cluster = sector[13] if sector[13] <= 0x80 else 1 << min(256 - sector[13], 31)
    cluster_size = per_cluster * sector_size
    if not _is_power(cluster_size) or not sector_size <= cluster_size <= _LARGEST_CLUSTER:
        raise NtfsError("cluster size")
    total_bytes = u64(sector, 40) * sector_size
    if not 0 < total_bytes <= size_bytes:
        raise NtfsError("size of the volume")
    geometry = Geometry(
        sector_size=sector_size,
        cluster_size=cluster_size,
        clusters=total_bytes // cluster_size,
        mft_cluster=u64(sector, 48),
        record_size=_record_size(sector[64], cluster_size),
        index_size=_record_size(sector[68], cluster_size),
        serial=u64(sector, 72),
    )
    if geometry.mft_cluster >= geometry.clusters:
        raise NtfsError("place of the MFT")
    return geometry


def _record_size(value: int, cluster_size: int) -> int:
    size = value * cluster_size if value < 0x80 else 1 << min(256 - value, 31)
    if not _is_power(size) or not _STRIDE <= size <= _LARGEST_RECORD:
        raise NtfsError("size of records")
    return size


def _is_power(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


def mended(record: bytes, signature: bytes) -> bytes:
    """A record with the last two bytes of each 512 put back; they tell whether it was written as a whole."""
    if record[:4] != signature:
        raise NtfsError(f"no {signature.decode()} record")
    offset, count = u16(record, 4), u16(record, 6)
    strides = len(record) // _STRIDE
    if count != strides + 1 or offset + 2 * count > _STRIDE - 2:
        raise NtfsError("fix-up array")
    whole, number = bytearray(record), record[offset : offset + 2]
    for stride in range(strides):
        end = (stride + 1) * _STRIDE - 2
        if record[end : end + 2] != number:
            raise NtfsError("torn record")
        at = offset + 2 + 2 * stride
        whole[end : end + 2] = record[at : at + 2]
    return bytes(whole)


def attributes(record: bytes) -> Iterator[Attribute]:
    """Those of a mended FILE record, in its order."""
    at = u16(record, 20)
    used = min(u32(record, 24), len(record))
    while at + 8 <= used:
        kind, length = u32(record, at), u32(record, at + 4)
        if kind == ATTRIBUTE_END:
            return
        if length < 24 or length % 8 or at + length > used:
            raise NtfsError("length of an attribute")
        yield _attribute(record[at : at + length], kind)
        at += length


def _attribute(raw: bytes, kind: int) -> Attribute:
    flags, name_at = u16(raw, 12), u16(raw, 10)
    name = raw[name_at : name_at + 2 * raw[9]].decode("utf-16-le", "replace")
    is_compressed, is_encrypted = bool(flags & _IS_COMPRESSED), bool(flags & IS_ENCRYPTED)
    if not raw[8]:
        size, start = u32(raw, 16), u16(raw, 20)
        if start + size > len(raw):
            raise NtfsError("value of an attribute")
        return Attribute(
            kind=kind,
            name=name,
            is_compressed=is_compressed,
            is_encrypted=is_encrypted,
            value=raw[start : start + size],
            size_bytes=size,
            written_bytes=size,
        )
    if len(raw) < 64:
        raise NtfsError("length of an attribute")
    return Attribute(
        kind=kind,
        name=name,
        is_compressed=is_compressed,
        is_encrypted=is_encrypted,
        runs=tuple(decode_runs(raw[u16(raw, 32) :])),
        first_cluster=u64(raw, 16),
        size_bytes=u64(raw, 48),
        written_bytes=u64(raw, 56),
    )


def decode_runs(raw: bytes) -> Iterator[Run]:
    """Mapping pairs: the length of each run, and its start relative to the one before."""
    at, start = 0, 0
    while at < len(raw) and raw[at]:
        length_size, start_size = raw[at] & 0xF, raw[at] >> 4
        middle, end = at + 1 + length_size, at + 1 + length_size + start_size
        if not 0 < length_size <= 8 or start_size > 8 or end > len(raw):
            raise NtfsError("run list")
        length = int.from_bytes(raw[at + 1 : middle], "little", signed=True)
        if length <= 0:
            raise NtfsError("run list")
        if start_size:
            start += int.from_bytes(raw[middle:end], "little", signed=True)
            if start < 0:
                raise NtfsError("run list")
        yield Run(start if start_size else None, length)
        at = end
