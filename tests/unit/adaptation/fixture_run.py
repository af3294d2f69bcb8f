"""Adapt a fixture tree as the target agent adapts a mounted one, and say what became of it."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.target.adaptation.engine import Engine
from agents.target.adaptation.formats.initramfs import InitramfsError, names_in_image
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.journal import Journal
from agents.target.adaptation.kernels import module_name
from agents.target.adaptation.planned import Announced, PlannedTree, Planner
from agents.target.adaptation.procedure import Procedure
from agents.target.adaptation.record import Record
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationReport
from tests.unit.adaptation.trees.shape import MIB, Shape

# What fills GRUB's environment up.
_PADDING = "#" * 40
Snapshot = dict[str, tuple[str, bytes]]


class FixtureRun:
    """A tree of one shape in a folder, with a file for its disk."""

    def __init__(self, shape: Shape, folder: Path, *, change: Callable[[Path], None] | None = None) -> None:
        """change: makes the tree other than its shape before it is adapted."""
        self.shape = shape
        self.root = folder / "tree"
        self.disk = folder / "disk"
        self.root.mkdir()
        shape.build(self.root)
        for volume in shape.layout().volumes:
            (self.root / volume.mount_point.lstrip("/")).mkdir(parents=True, exist_ok=True)
        sector = bytes(510) + b"\x55\xaa"
        self.disk.write_bytes(sector + bytes(8 * MIB - 512))
        if change is not None:
            change(self.root)

    def adapt(self, *, name: str = "run", given: Inputs | None = None, **inputs: Any) -> AdaptationReport:
        """One adaptation; its journal stays."""
        given = given or self.inputs(**inputs)
        tree = Tree(self.root)
        record = Record()
        Procedure(tree, given, Engine(tree, Journal(tree, name), lambda _: self.disk), record).run()
        tree.close()
        return record.report(0.0)

    def plan(self, **inputs: Any) -> AdaptationReport:
        """What an adaptation would change."""
        tree = PlannedTree(self.root)
        record = Record()
        given = replace(self.inputs(**inputs), builder=Announced())
        Procedure(tree, given, Planner(tree, lambda _: self.disk), record).change()
        tree.close()
        return record.report(0.0)

    def inputs(self, **inputs: Any) -> Inputs:
        """As the shape gives them."""
        return self.shape.inputs(self.disk, self.root, **inputs)

    def undo(self, *, name: str = "run") -> list[str]:
        """Take an adaptation back; the paths that were foreign."""
        tree = Tree(self.root)
        foreign = Engine(tree, Journal(tree, name), lambda _: self.disk).undo()
        tree.close()
        return foreign

    def snapshot(self) -> Snapshot:
        """Everything in the tree, and the disk's first sectors; without journals."""
        found: Snapshot = {"disk": ("file", self.disk.read_bytes()[: 64 << 10])}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name.startswith("var/lib/sms-adapt"):
                continue
            status = path.lstat()
            if path.is_symlink():
                found[name] = ("link", os.readlink(path).encode())
            elif path.is_dir():
                found[name] = ("folder", b"")
            else:
                found[name] = (f"file {stat.S_IMODE(status.st_mode):o}", path.read_bytes())
        return found

    def text(self, path: str) -> str:
        """A file's text."""
        return (self.root / path.lstrip("/")).read_text()


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """What changed, as a person would look at it: unified differences of texts, modules of images."""
    lines = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new or (new or old or ("", b""))[0] == "folder":
            continue
        lines += _of_one(name, old, new)
    return lines


def _of_one(name: str, old: tuple[str, bytes] | None, new: tuple[str, bytes] | None) -> list[str]:
    if new is None:
        return [f"- {name}"]
    if new[0] == "link":
        return [f"{name} -> {new[1].decode()}"]
    head = f"{'+' if old is None or old[0] == 'link' else '~'} {name}" + (f" ({new[0]})" if old is None else "")
    content, previous = new[1], old[1] if old is not None and old[0] != "link" else b""
    if name.startswith("boot/init"):
        return [f"{head}: {', '.join(_modules(content))}"]
    if b"\0" in content or name == "disk" or name.startswith("var/lib/initramfs-tools"):
        return [f"{head}: {len(content)} bytes"]
    texts = [each.decode("utf-8", "surrogateescape").splitlines() for each in (previous, content)]
    changed = (line for line in difflib.unified_diff(*texts, n=0, lineterm="") if line[:2] not in {"--", "++", "@@"})
    return [head, *(f"  {line}" for line in changed if _PADDING not in line)]


def _modules(image: bytes) -> list[str]:
    try:
        return sorted({module_name(name) for name in names_in_image(image) if ".ko" in name})
    except InitramfsError as error:
        return [str(error)]
