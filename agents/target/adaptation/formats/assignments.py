"""Files of shell assignments, such as /etc/os-release and /etc/default/grub."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Final

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def assignments(text: str) -> dict[str, str]:
    """Each variable's last value. Nothing is expanded; a line that no shell would take is passed over."""
    values = {}
    for line in text.splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            continue
        words = _split(match.group(2))
        if words is not None:
            values[match.group(1)] = words[0] if words else ""
    return values


def edited_assignments(text: str, edit: Callable[[str, str], str | None]) -> str:
    """The text with the values of assignments replaced; every line that stays is the same to the byte.

    edit: given (name, value), the new value, or None to keep the line. Quotes stay, or are put where blanks need them.
    """
    lines = []
    for raw in text.splitlines(keepends=True):
        body = raw.rstrip("\r\n")
        match = _ASSIGNMENT.fullmatch(body)
        words = _split(match.group(2)) if match is not None else None
        if match is None or words is None:
            lines.append(raw)
            continue
        value = words[0] if words else ""
        new = edit(match.group(1), value)
        if new is None or new == value:
            lines.append(raw)
            continue
        quote = match.group(2)[:1] if match.group(2)[:1] in {"'", '"'} else ""
        if quote and (quote in new or "\\" in match.group(2)):
            # Such a value cannot be written back as the shell would read it.
            lines.append(raw)
            continue
        quote = quote or ('"' if not new or re.search(r"[\s$;&|<>()#]", new) else "")
        lines.append(f"{body[: match.start(2)]}{quote}{new}{quote}{raw[len(body) :]}")
    return "".join(lines)


def _split(text: str) -> list[str] | None:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return None


def commented_assignments(text: str, is_out: Callable[[str], bool]) -> str:
    """The text with the assignments of these names as comments."""
    lines = []
    for raw in text.splitlines(keepends=True):
        match = _ASSIGNMENT.fullmatch(raw.rstrip("\r\n"))
        lines.append(f"# {raw}" if match is not None and is_out(match.group(1)) else raw)
    return "".join(lines)
