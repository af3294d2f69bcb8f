"""Entries of the Boot Loader Specification, as files below /boot/loader/entries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from agents.target.adaptation.formats.grub_config import MenuEntry

_LINE: Final = re.compile(r"(\s*)([\w-]+)(\s+)(.*?)(\s*)")
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")


def parse_entry(name: str, text: str, variables: Mapping[str, str]) -> MenuEntry:
    """name: the file's, without .conf. Variables of GRUB are expanded; unknown ones are empty, as for GRUB."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None and not line.lstrip().startswith("#"):
            values.setdefault(match.group(2), []).append(_expanded(match.group(4), variables))
    return MenuEntry(
        title=" ".join(values.get("title", [])),
        identifier=name,
        kernel=next(iter(values.get("linux", [])), ""),
        arguments=tuple(" ".join(values.get("options", [])).split()),
        initrds=tuple(" ".join(values.get("initrd", [])).split()),
    )


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match.group(1), ""), text)


def with_options(text: str, edit: Callable[[str], str]) -> str:
    """The text with every ``options`` line's value edited; every other byte stays."""
    lines = []
    for raw in text.splitlines(keepends=True):
        body = raw.rstrip("\r\n")
        match = _LINE.fullmatch(body)
        if match is None or match.group(2) != "options":
            lines.append(raw)
            continue
        indent, key, blank, value, tail = match.groups()
        lines.append(f"{indent}{key}{blank}{edit(value)}{tail}{raw[len(body) :]}")
    return "".join(lines)
