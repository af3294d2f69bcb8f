"""/etc/fstab, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_FIELD: Final = re.compile(r"\S+")
SPEC, MOUNT_POINT, KIND, OPTIONS, DUMP, PASS = range(6)


@dataclass(frozen=True)
class FstabLine:
    """One line. raw holds its line end. fields: as written, escapes included; none for a comment or blank line."""

    number: int
    raw: str
    fields: tuple[str, ...]

    @property
    def is_entry(self) -> bool:
        """Whether mount would take the line for an entry."""
        return len(self.fields) >= 3

    @property
    def is_unreadable(self) -> bool:
        """Whether it is neither an entry, nor a comment, nor blank."""
        return 0 < len(self.fields) < 3

    def value(self, index: int) -> str:
        """A field without escapes; "" when the line ends before it."""
        return _unescaped(self.fields[index]) if index < len(self.fields) else ""

    @property
    def options(self) -> tuple[str, ...]:
        """The mount options."""
        return tuple(each for each in self.value(OPTIONS).split(",") if each)

    def replaced(self, index: int, value: str) -> str:
        """The raw line with one existing field replaced; blanks and everything else stay."""
        matches = list(_FIELD.finditer(self.raw))
        match = matches[index]
        return self.raw[: match.start()] + _escaped(value) + self.raw[match.end() :]


def parse_fstab(text: str) -> list[FstabLine]:
    """Every line of the file; joined again, their raw texts are the file."""
    lines = []
    for number, raw in enumerate(text.splitlines(keepends=True), start=1):
        body = raw.strip()
        lines.append(FstabLine(number, raw, () if body.startswith("#") else tuple(body.split())))
    return lines


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)


def _escaped(text: str) -> str:
    return re.sub(r"[\s\\]", lambda match: f"\\{ord(match.group()):03o}", text)
