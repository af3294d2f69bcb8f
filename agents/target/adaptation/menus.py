"""The entry that a boot menu of any kind starts by default, in one form."""

from __future__ import annotations

from dataclasses import dataclass

from agents.target.adaptation.formats.bls import parse_entry
from agents.target.adaptation.formats.grub_config import (
    MenuEntry,
    default_entry,
    default_kernel_options,
    root_volumes,
    searched_uuids,
)
from agents.target.adaptation.formats.grub_environment import environment_values
from agents.target.adaptation.formats.grub_legacy import parse_legacy_menu
from agents.target.adaptation.kernels import version_key
from agents.target.adaptation.steps.boot_menu.bls import entry_files
from agents.target.adaptation.steps.boot_menu.grub2 import environment_path, menu_text
from agents.target.adaptation.system import SystemFacts
from agents.target.adaptation.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Menu:
    """path: where the entry stands. device: what GRUB before version 2 calls the place of the kernels, "" for others.

    uuids: of the file systems that the menu looks for. logical_volumes: those that it takes as its root, each by its
    group's UUID and its own.
    """

    path: str
    entry: MenuEntry | None
    uuids: frozenset[str] = frozenset()
    logical_volumes: frozenset[str] = frozenset()
    device: str = ""


def read_menu(tree: Tree, system: SystemFacts) -> Menu:
    """What the target will start when nobody touches a key."""
    if system.boot_menu == "grub_legacy":
        return _legacy(tree, system)
    text = menu_text(tree, system)
    values = environment_values(tree.read(environment_path(system)) or b"")
    uuids = frozenset(searched_uuids(text))
    logical = frozenset(root_volumes(text))
    saved = values.get("next_entry") or values.get("saved_entry", "")
    if system.boot_menu == "bls":
        options = values.get("kernelopts") or default_kernel_options(text)
        path, entry = _from_entries(tree, saved, {**values, "kernelopts": options})
        return Menu(path=path or system.menu_path, entry=entry, uuids=uuids, logical_volumes=logical)
    return Menu(path=system.menu_path, entry=default_entry(text, saved), uuids=uuids, logical_volumes=logical)


def _from_entries(tree: Tree, saved: str, variables: dict[str, str]) -> tuple[str, MenuEntry | None]:
    """(path, entry): the saved one, by name or number; the newest when it is not there. GRUB sorts them by name."""
    names = {path: path.rpartition("/")[2].removesuffix(".conf") for path in entry_files(tree)}
    ordered = sorted(names, key=lambda path: version_key(names[path]), reverse=True)
    chosen = next((path for path in ordered if names[path] == saved), "")
    if not chosen and saved.isdigit() and int(saved) < len(ordered):
        chosen = ordered[int(saved)]
    chosen = chosen or next(iter(ordered), "")
    return chosen, parse_entry(names[chosen], tree.text(chosen) or "", variables) if chosen else None


def _legacy(tree: Tree, system: SystemFacts) -> Menu:
    entries, default = parse_legacy_menu(tree.text(system.menu_path) or "")
    if default >= len(entries):
        return Menu(path=system.menu_path, entry=None)
    found = entries[default]
    entry = MenuEntry(
        title=found.title,
        kernel=found.kernel,
        arguments=found.arguments,
        initrds=(found.initrd,) if found.initrd else (),
    )
    return Menu(path=system.menu_path, entry=entry, device=found.root)
