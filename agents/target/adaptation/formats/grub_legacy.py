"""grub.conf and menu.lst, the menu of GRUB before version 2."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_DEVICE: Final = re.compile(r"\((?P<disk>hd\d+)(?:,(?P<partition>\d+))?\)")
_COMMAND: Final = re.compile(r"(\s*)(\w+)([\s=]+)(.*)")


@dataclass
class LegacyEntry:
    """One title. root: the device that its paths lie on, as ``(hd0,0)``; paths begin at that file system's root."""

    title: str
    root: str = ""
    kernel: str = ""
    arguments: tuple[str, ...] = ()
    initrd: str = ""


def parse_legacy_menu(text: str) -> tuple[list[LegacyEntry], int]:
    """(entries, number of the one that starts by default)."""
    entries: list[LegacyEntry] = []
    default = 0
    for line in text.splitlines():
        match = _COMMAND.fullmatch(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        name, value = match.group(2), match.group(4).strip()
        if name == "default" and not entries:
            # "saved" is kept in a file that only GRUB writes; it begins with 0.
            default = int(value) if value.isdigit() else 0
        elif name == "title":
            entries.append(LegacyEntry(value))
        elif entries:
            _note(entries[-1], name, value)
    return entries, default


def _note(entry: LegacyEntry, name: str, value: str) -> None:
    words = value.split()
    if name in {"root", "rootnoverify"}:
        entry.root = value
    elif name == "kernel":
        paths = [word for word in words if not word.startswith("--")]
        if paths:
            entry.root, entry.kernel = _placed(paths[0], entry.root)
            entry.arguments = tuple(paths[1:])
    elif name == "initrd" and words:
        entry.initrd = _placed(words[0], entry.root)[1]


def _placed(path: str, root: str) -> tuple[str, str]:
    """(device, path) of ``(hd0,0)/vmlinuz``; a path without a device lies on the entry's root."""
    match = _DEVICE.match(path)
    return (match.group(), path[match.end() :]) if match else (root, path)


def partition_number(device: str) -> int | None:
    """Counted from 1, as the table does: ``(hd0,0)`` is 1. None for anything but a partition of the first disk."""
    match = _DEVICE.fullmatch(device.strip())
    if match is None or match["disk"] != "hd0" or match["partition"] is None:
        return None
    return int(match["partition"]) + 1


def edited_menu(text: str, *, arguments: Callable[[str], str], device: str, default: int | None) -> str:
    """The text with the arguments of every kernel edited, the device that it lies on replaced, and this default.

    device: as ``(hd0,0)``. default None: it stays. Titles without a kernel start another system and stay as they are.
    """
    lines = []
    kernels = [entry.kernel for entry in parse_legacy_menu(text)[0]]
    title = -1
    for raw in text.splitlines(keepends=True):
        body = raw.rstrip("\r\n")
        match = _COMMAND.fullmatch(body)
        if match is None or body.lstrip().startswith("#"):
            lines.append(raw)
            continue
        indent, name, blank, value = match.groups()
        title += name == "title"
        is_ours = title < 0 or kernels[title] != ""
        if name == "default" and title < 0 and default is not None:
            value = str(default)
        elif is_ours and name in {"root", "kernel", "initrd", "splashimage", "gfxmenu"}:
            value = _moved(value, device)
            value = _with_arguments(value, arguments) if name == "kernel" else value
        lines.append(f"{indent}{name}{blank}{value}{raw[len(body) :]}")
    return "".join(lines)


def _moved(value: str, device: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        return device if match["partition"] is not None else match.group()

    return _DEVICE.sub(replaced, value)


def _with_arguments(value: str, edit: Callable[[str], str]) -> str:
    """The value of a ``kernel`` command: options of GRUB and the path stay. A hypervisor has no such arguments."""
    match = re.fullmatch(r"((?:--\S+\s+)*\S+)(\s+)?(.*)", value)
    if match is None or "xen" in match.group(1).rpartition("/")[2]:
        return value
    edited = edit(match.group(3))
    return f"{match.group(1)}{match.group(2) or ' '}{edited}" if edited else match.group(1)
