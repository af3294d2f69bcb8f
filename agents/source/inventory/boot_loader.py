"""Which boot loader starts a system, and which kernel its default entry names (as far as the files tell)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agents.source.inventory.system_tree import SystemTree
from contracts.inventory import BootLoader

_GRUB2: Final = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
_GRUB_LEGACY: Final = ("/boot/grub/grub.conf", "/boot/grub/menu.lst")
_ESP_FOLDERS: Final = ("/boot/efi/EFI", "/efi/EFI", "/boot/EFI")
_LOADER_ENTRIES: Final = "/boot/loader/entries"


@dataclass(frozen=True)
class BootEntry:
    """A menu entry. path: its place in the menu ("0", "1>2"); kernel and arguments of its linux line."""

    path: str
    title: str
    identifier: str
    kernel: str
    arguments: str
    is_foreign: bool = False


def parse_grub2_entries(text: str) -> list[BootEntry]:
    """The entries of a grub.cfg that grub-mkconfig wrote, submenus followed by counting their braces."""
    entries: list[BootEntry] = []
    menus: list[int] = []  # depth of braces of every open submenu
    counters = [0]
    depth, is_foreign = 0, False
    titles: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("### BEGIN "):
            is_foreign = "os-prober" in line
        menu = re.match(r"(menuentry|submenu)\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))", line)
        if menu and menu.group(1) == "submenu":
            titles.append(str(counters[-1]))
            counters[-1] += 1
            counters.append(0)
            menus.append(depth)
        elif menu:
            identifier = re.search(r"\$menuentry_id_option\s+'([^']*)'|--id[ =]'?([^' ]+)", line)
            path = ">".join([*titles, str(counters[-1])])
            counters[-1] += 1
            title = menu.group(2) or menu.group(3) or menu.group(4) or ""
            entries.append(BootEntry(path, title, _either(identifier), "", "", is_foreign))
        elif entries and (linux := re.match(r"linux(?:16|efi)?\s+(\S+)\s*(.*)", line)) and not entries[-1].kernel:
            last = entries[-1]
            entries[-1] = BootEntry(last.path, last.title, last.identifier, linux[1], linux[2], last.is_foreign)
        if not line.startswith("#"):
            depth += line.count("{") - line.count("}")
        while menus and depth <= menus[-1] and line.startswith("}"):
            menus.pop()
            counters.pop()
            titles.pop()
    return entries


def _either(found: re.Match[str] | None) -> str:
    return next(filter(None, found.groups()), "") if found else ""


def parse_grubenv(text: str) -> dict[str, str]:
    """The variables of a grubenv block (1,024 bytes, padded with #)."""
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, separator, value in lines if separator}


def _default_of(config: str, environment: dict[str, str]) -> str:
    settings = re.findall(r"^\s*set default=[\"']?([^\"'\n]*)", config, re.MULTILINE)
    # The first branch of grub-mkconfig's header is for a one-time next_entry; the usual default comes after it.
    usual = [value for value in settings if "next_entry" not in value]
    if any("saved_entry" in value for value in usual):
        return environment.get("saved_entry", "0") or "0"
    return usual[-1] if usual else "0"


def _chosen(entries: list[BootEntry], default: str) -> BootEntry | None:
    last = default.split(">")[-1]
    for entry in entries:
        if entry.path == default or default in (entry.title, entry.identifier):
            return entry
    named = [entry for entry in entries if last and last in (entry.title, entry.identifier)]
    return named[0] if named else (entries[0] if entries else None)


def _loader_entries(tree: SystemTree) -> list[BootEntry]:
    entries = []
    for name in tree.names(_LOADER_ENTRIES):
        if not name.endswith(".conf"):
            continue
        fields = dict(re.findall(r"^(\w+)[ \t]+(.*)$", tree.read_text(f"{_LOADER_ENTRIES}/{name}"), re.MULTILINE))
        if "linux" in fields and "-0-rescue" not in name:
            title, options = fields.get("title", ""), fields.get("options", "")
            entries.append(BootEntry("", title, name.removesuffix(".conf"), fields["linux"], options))
    return sorted(entries, key=lambda entry: version_key(entry.kernel), reverse=True)


def version_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts names by the numbers in them: 5.10.0-9 before 5.10.0-21."""
    parts = re.findall(r"\d+|[^\d]+", text)
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in parts)


def _as_seen_by_the_system(tree: SystemTree, kernel: str) -> str:
    kernel = re.sub(r"^(\(hd[^)]*\)|\$\{?\w+\}?)", "", kernel)
    if not kernel.startswith("/"):
        return ""
    # With /boot on a partition of its own the boot loader's paths begin there; on Btrfs with the subvolume.
    for path in (kernel, f"/boot{kernel}", "/boot/" + kernel.rsplit("/", 1)[-1]):
        if tree.is_file(path):
            return path
    return ""


def _grub2(tree: SystemTree, config_path: str) -> tuple[BootLoader, str]:
    config = tree.read_text(config_path)
    environment = parse_grubenv(tree.read_text(f"{config_path.rsplit('/', 1)[0]}/grubenv"))
    entries = parse_grub2_entries(config)
    foreign = tuple(entry.title for entry in entries if entry.is_foreign)
    own = [entry for entry in entries if not entry.is_foreign]
    if "blscfg" in config:
        own = _loader_entries(tree) + own
    chosen = _chosen(own, _default_of(config, environment))
    arguments = chosen.arguments.replace("$kernelopts", environment.get("kernelopts", "")) if chosen else ""
    kernel = _as_seen_by_the_system(tree, chosen.kernel) if chosen else ""
    loader = BootLoader(kind="grub2", config_path=config_path, default_kernel=kernel, other_systems=foreign)
    return loader, arguments.strip()


def _grub_legacy(tree: SystemTree, config_path: str) -> tuple[BootLoader, str]:
    text = tree.read_text(config_path)
    default = re.search(r"^\s*default[ =](\d+)", text, re.MULTILINE)
    blocks = re.split(r"^\s*title\s+", text, flags=re.MULTILINE)[1:]
    foreign = tuple(block.partition("\n")[0].strip() for block in blocks if re.search(r"^\s*chainloader", block, re.M))
    index = int(default.group(1)) if default else 0
    found = re.search(r"^\s*kernel\s+(\S+)\s*(.*)$", blocks[index], re.MULTILINE) if index < len(blocks) else None
    kernel = _as_seen_by_the_system(tree, found.group(1)) if found else ""
    loader = BootLoader(kind="grub_legacy", config_path=config_path, default_kernel=kernel, other_systems=foreign)
    return loader, found.group(2).strip() if found else ""


def _on_esp(tree: SystemTree) -> tuple[BootLoader, str] | None:
    for folder in _ESP_FOLDERS:
        for vendor in tree.names(folder):
            path = f"{folder}/{vendor}/grub.cfg"
            if vendor.lower() != "boot" and tree.is_file(path):
                return _grub2(tree, path)
            if vendor.lower() == "systemd" and tree.names(f"{folder}/{vendor}"):
                return BootLoader(kind="systemd_boot", config_path=f"{folder}/{vendor}"), ""
    return None


def read_boot_loader(tree: SystemTree) -> tuple[BootLoader, str]:
    """The boot loader, and the kernel arguments of its default entry; kind "" when none is known."""
    for path in _GRUB2:
        if tree.is_file(path):
            return _grub2(tree, path)
    if found := _on_esp(tree):
        return found
    for path in _GRUB_LEGACY:
        if tree.is_file(path):
            return _grub_legacy(tree, path)
    for path, kind in (
        ("/etc/lilo.conf", "lilo"),
        ("/boot/extlinux/extlinux.conf", "extlinux"),
        ("/etc/elilo.conf", "elilo"),
    ):
        if tree.is_file(path):
            return BootLoader(kind=kind, config_path=path), ""
    return BootLoader(), ""
