"""Entries in files (RHEL 8 and later, Fedora): grub2-mkconfig leaves them as they are, so each one is edited."""

from __future__ import annotations

from agents.target.adaptation.changes import Change, StepResult, WriteFile
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.formats.bls import with_options
from agents.target.adaptation.formats.grub_config import with_arguments
from agents.target.adaptation.system import ENTRIES_FOLDER, SystemFacts
from agents.target.adaptation.tree import Tree, encode

_MENU_LIMIT_BYTES = 4 << 20


def entry_files(tree: Tree) -> list[str]:
    """The paths of all entries."""
    return [f"{ENTRIES_FOLDER}/{name}" for name in tree.names(ENTRIES_FOLDER) if name.endswith(".conf")]


def plan_entries(tree: Tree, system: SystemFacts, line: CommandLine) -> StepResult:
    """Options of all entries, and what grub.cfg has for those that name $kernelopts."""
    changes: list[Change] = []
    for path in entry_files(tree):
        text = tree.text(path) or ""
        new = with_options(text, lambda value: _adapted(value, line))
        if new != text:
            changes.append(WriteFile(path=path, content=encode(new), reason="kernel arguments"))
    content = tree.read(system.menu_path, limit_bytes=_MENU_LIMIT_BYTES) or b""
    text = content.decode("utf-8", "surrogateescape")
    new = with_arguments(text, line.adapted)
    if new != text:
        changes.append(WriteFile(path=system.menu_path, content=encode(new), reason="kernel arguments"))
    return StepResult(changes=tuple(changes))


def _adapted(value: str, line: CommandLine) -> str:
    """An entry that takes its arguments from a variable gets them there."""
    return line.corrected(value) if "$kernelopts" in value or "${kernelopts}" in value else line.adapted(value)


def entry_name(tree: Tree, release: str) -> str:
    """The name of a kernel's entry without .conf; "" when it has none."""
    for path in entry_files(tree):
        for raw in (tree.text(path) or "").splitlines():
            words = raw.split()
            if len(words) == 2 and words[0] == "linux" and words[1].endswith(f"-{release}"):
                return path.rpartition("/")[2].removesuffix(".conf")
    return ""
