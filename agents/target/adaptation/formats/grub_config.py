"""What GRUB 2's generated grub.cfg says: its menu, and the file systems that it looks for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_SEARCH: Final = re.compile(r"^\s*search\b.*--fs-uuid\b(.*)$", re.MULTILINE)
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f-]{22,27}|[0-9A-F]{4}-[0-9A-F]{4}")
# GRUB looks there first, and goes on where nothing is found.
_HINT: Final = re.compile(r"--hint\S*")
_ROOT_VOLUME: Final = re.compile(r"^\s*set root=[\"']?lvmid/([\w-]+/[\w-]+)", re.MULTILINE)
_LINUX: Final = re.compile(r"(\s*linux(?:16|efi)?\s+\S+[ \t]+)(.*?)(\s*)")
_LINUX_COMMAND: Final = re.compile(r"linux(?:16|efi)?(?=\s)")
_KERNEL_OPTIONS: Final = re.compile(r"(\s*set (?:default_)?kernelopts=\")([^\"]*)(\".*)")
_DEFAULT: Final = re.compile(r"^\s*set default=[\"']?([^\"'\n]*)[\"']?\s*$", re.MULTILINE)


@dataclass
class MenuEntry:
    """A menu entry or submenu. kernel and initrd as GRUB finds them, which is without /boot where that is a file
    system of its own."""

    title: str
    identifier: str = ""
    kernel: str = ""
    arguments: tuple[str, ...] = ()
    initrds: tuple[str, ...] = ()
    children: list[MenuEntry] = field(default_factory=list)
    is_submenu: bool = False

    def argument(self, name: str) -> str:
        """The last value of a kernel argument; "" when it is not given."""
        return next((each[len(name) + 1 :] for each in reversed(self.arguments) if each.startswith(f"{name}=")), "")


def searched_uuids(text: str) -> set[str]:
    """The UUIDs of all ``search --fs-uuid`` lines."""
    return {match.group() for line in _SEARCH.findall(text) for match in _UUID.finditer(_HINT.sub("", line))}


def root_volumes(text: str) -> set[str]:
    """The logical volumes that are taken as GRUB's root: the UUIDs of group and volume, with a slash between."""
    return set(_ROOT_VOLUME.findall(text))


def parse_menu(text: str) -> list[MenuEntry]:
    """The top level of the menu."""
    top: list[MenuEntry] = []
    open_blocks: list[MenuEntry | None] = []
    for line in text.splitlines():
        words = _words(line)
        if not words:
            continue
        current = next((each for each in reversed(open_blocks) if each is not None), None)
        if words[0] in {"menuentry", "submenu"}:
            entry = _entry(words)
            (current.children if current is not None else top).append(entry)
            if words[-1] == "{":
                open_blocks.append(entry)
        elif words[-1] == "{":
            open_blocks.append(None)
        elif words == ["}"] and open_blocks:
            open_blocks.pop()
        elif current is not None:
            _command(current, words)
    return top


def _entry(words: list[str]) -> MenuEntry:
    identifier = next(
        (words[i + 1] for i, word in enumerate(words[:-1]) if word in {"$menuentry_id_option", "--id"}), ""
    )
    title = words[1] if len(words) > 1 else ""
    return MenuEntry(title=title, identifier=identifier, is_submenu=words[0] == "submenu")


def _command(entry: MenuEntry, words: list[str]) -> None:
    if words[0] in {"linux", "linux16", "linuxefi"} and len(words) > 1:
        entry.kernel, entry.arguments = words[1], tuple(words[2:])
    elif words[0] in {"initrd", "initrd16", "initrdefi"}:
        entry.initrds = tuple(words[1:])


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def with_arguments(text: str, edit: Callable[[str], str]) -> str:
    """The text with the arguments of every Linux entry edited, and of what entries in files have as theirs."""
    lines = []
    for raw in text.splitlines(keepends=True):
        body = raw.rstrip("\r\n")
        for pattern in (_LINUX, _KERNEL_OPTIONS):
            match = pattern.fullmatch(body)
            if match is not None:
                body = f"{match.group(1)}{edit(match.group(2))}{match.group(3)}"
        lines.append(body + raw[len(raw.rstrip("\r\n")) :])
    return "".join(lines)


def default_kernel_options(text: str) -> str:
    """What entries in files take for $kernelopts when the environment has none."""
    found = [match.group(2) for line in text.splitlines() if (match := _KERNEL_OPTIONS.fullmatch(line))]
    return found[-1] if found else ""


def linux_commands(text: str) -> set[str]:
    """The names of the commands that load kernels: linux, linux16, linuxefi."""
    return {match.group() for line in text.splitlines() if (match := _LINUX_COMMAND.match(line.strip()))}


def default_entry(text: str, saved_entry: str = "") -> MenuEntry | None:
    """The entry that starts when nobody touches a key; None when there is none."""
    menu = parse_menu(text)
    wanted = [each for each in _DEFAULT.findall(text) if "next_entry" not in each]
    chosen = wanted[-1] if wanted else "0"
    if "saved_entry" in chosen:
        chosen = saved_entry or "0"
    entry = named_entry(menu, chosen)
    if entry is None or entry.is_submenu:
        # GRUB starts its first entry when the chosen one is not there.
        entry = next((each for each in menu if not each.is_submenu), None)
    return entry


def named_entry(menu: list[MenuEntry], name: str) -> MenuEntry | None:
    """The entry of a number, title or identifier, or of several for the levels of the menu (``2>1``)."""
    level = menu
    entry: MenuEntry | None = None
    for part in name.split(">"):
        entry = _find(level, part)
        if entry is None:
            return None
        level = entry.children
    return entry


def name_of_kernel(menu: list[MenuEntry], release: str) -> str:
    """How `named_entry` finds the first entry that starts a kernel; "" when there is none."""
    for entry in menu:
        name = entry.identifier or entry.title
        if entry.kernel.endswith(f"-{release}"):
            return name
        below = name_of_kernel(entry.children, release)
        if below:
            return f"{name}>{below}"
    return ""


def _find(level: list[MenuEntry], name: str) -> MenuEntry | None:
    if name.isdigit():
        return level[int(name)] if int(name) < len(level) else None
    return next((each for each in level if name in {each.identifier, each.title}), None)
