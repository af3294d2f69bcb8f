"""The text in which LVM2 writes down a volume group, and the logical volumes that it describes.

The text is hostile input: its size is bounded where it is read (superblocks/containers.py), its depth here; what cannot
be read as a group gives none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.inventory import LogicalVolume, PhysicalVolume, VolumeGroup

Plain = str | int
_SECTOR: Final = 512
_DEEPEST: Final = 16
_MOST_VOLUMES: Final = 4096
_TOKEN: Final = re.compile(
    r'\s+|#[^\n]*|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z0-9_.+/:@-]+)|(?P<mark>[{}=\[\],])'
)
# Segment types whose volume is a part of another one, and not data by itself.
_THIN: Final = frozenset({"thin", "thin-pool"})


class _UnreadableError(Exception):
    pass


@dataclass
class Section:
    """What is between two braces: values by name, and sections by name."""

    values: dict[str, Plain | tuple[Plain, ...]] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """0 when there is no such number."""
        value = self.values.get(name, 0)
        return value if isinstance(value, int) else 0

    def word(self, name: str) -> str:
        """ "" when there is no such text."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a list."""
        value = self.values.get(name, ())
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, tuple) else ()

    def below(self, name: str) -> dict[str, Section]:
        """The sections in a section."""
        found = self.sections.get(name)
        return found.sections if found else {}


def volume_groups(texts: Mapping[str, str], identifiers: Mapping[str, str]) -> tuple[VolumeGroup, ...]:
    """The groups that some physical volumes describe. texts: by the name of the volume that holds it. identifiers:
    the UUIDs of the physical volumes, by the same names.

    Each physical volume of a group holds the whole description, or none; the newest one counts.
    """
    names = {identifier: holder for holder, identifier in identifiers.items()}
    newest: dict[str, tuple[int, str, Section]] = {}
    holders: dict[str, list[str]] = {}
    for holder, text in texts.items():
        try:
            name, group = _group(text)
        except _UnreadableError:
            continue
        identifier = str(group.values.get("id", name))
        holders.setdefault(identifier, []).append(holder)
        number = group.number("seqno")
        if identifier not in newest or number > newest[identifier][0]:
            newest[identifier] = (number, name, group)
    return tuple(_described(name, group, holders[key], names) for key, (_, name, group) in newest.items())


def _described(name: str, group: Section, holders: list[str], names: Mapping[str, str]) -> VolumeGroup:
    extent_bytes = group.number("extent_size") * _SECTOR
    extents = sum(volume.number("pe_count") for volume in group.below("physical_volumes").values())
    origins = _origins(group)
    volumes, used = [], 0
    for each, volume in list(group.below("logical_volumes").items())[:_MOST_VOLUMES]:
        segments = [segment for segment_name, segment in volume.sections.items() if segment_name.startswith("segment")]
        types = {_type(segment) for segment in segments}
        # Only stripes name extents of physical volumes; what lies on other logical volumes is counted with those.
        used += sum(segment.number("extent_count") for segment in segments if segment.number("stripe_count"))
        if "VISIBLE" in volume.texts("status"):
            size_bytes = sum(segment.number("extent_count") for segment in segments) * extent_bytes
            volumes.append(
                LogicalVolume(
                    name=each,
                    size_bytes=size_bytes,
                    use="THIN" if types & _THIN else "NORMAL",
                    uuid=volume.word("id"),
                    segment_types=tuple(sorted(types)),
                    origin=origins.get(each, ""),
                )
            )
    return VolumeGroup(
        name=name,
        size_bytes=extents * extent_bytes,
        free_bytes=max(0, extents - used) * extent_bytes,
        components=tuple(holders),
        logical_volumes=tuple(volumes),
        uuid=group.word("id"),
        extent_bytes=extent_bytes,
        physical_volumes=tuple(
            PhysicalVolume(
                volume=names.get(volume.word("id"), ""),
                uuid=volume.word("id"),
                size_bytes=volume.number("dev_size") * _SECTOR,
                data_start_bytes=volume.number("pe_start") * _SECTOR,
            )
            for volume in group.below("physical_volumes").values()
        ),
    )


def _type(segment: Section) -> str:
    kind = segment.word("type")
    return "linear" if kind == "striped" and segment.number("stripe_count") == 1 else kind


def _origins(group: Section) -> dict[str, str]:
    """Of which volume another one is a snapshot: a hidden third volume tells."""
    segments = [
        segment
        for volume in group.below("logical_volumes").values()
        for name, segment in volume.sections.items()
        if name.startswith("segment")
    ]
    return {one.word("cow_store"): one.word("origin") for one in segments if one.word("type") == "snapshot"}


def _group(text: str) -> tuple[str, Section]:
    top = _section(_tokens(text.partition("\0")[0]), 0)
    groups = [(name, one) for name, one in top.sections.items() if "extent_size" in one.values]
    if len(groups) != 1:
        raise _UnreadableError
    return groups[0]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _UnreadableError
        if found.lastgroup is not None:
            yield found.lastgroup, found.group(found.lastgroup)
        at = found.end()


def _section(tokens: Iterator[tuple[str, str]], depth: int) -> Section:
    section = Section()
    for kind, word in tokens:
        if (kind, word) == ("mark", "}") and depth:
            return section
        following = next(tokens, ("", ""))
        if kind not in ("name", "number") or depth > _DEEPEST:
            raise _UnreadableError
        if following == ("mark", "{"):
            section.sections[word] = _section(tokens, depth + 1)
        elif following == ("mark", "="):
            section.values[word] = _value(tokens)
        else:
            raise _UnreadableError
    if depth:
        raise _UnreadableError
    return section


def _value(tokens: Iterator[tuple[str, str]]) -> Plain | tuple[Plain, ...]:
    first = next(tokens, ("", ""))
    if first != ("mark", "["):
        return _plain(first)
    found: list[Plain] = []
    for token in tokens:
        if token == ("mark", "]"):
            return tuple(found)
        if token != ("mark", ","):
            found.append(_plain(token))
    raise _UnreadableError


def _plain(token: tuple[str, str]) -> Plain:
    kind, word = token
    if kind == "text":
        return word[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if kind == "number" and len(word) < 20:
        return int(float(word)) if "." in word else int(word)
    raise _UnreadableError
