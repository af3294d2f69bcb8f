"""A plan: the steps of an adaptation over the tree as it will be, before anything of it is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agents.target.adaptation.changes import (
    Change,
    MakeLink,
    MakeSwapFile,
    RemoveFile,
    RemoveFolder,
    WriteFile,
)
from agents.target.adaptation.reported import change_report
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.tree import Tree
from agents.target.rooted import open_in_root
from contracts.adaptation import AdaptationChange

_MOST_LINKS: Final = 40


@dataclass(frozen=True)
class _File:
    content: bytes
    mode: int


class PlannedTree(Tree):
    """A tree with what is planned lying over it, in memory. Only what is below it is read, and nothing is written.

    Links that are planned are followed where they end a path, not within one: no step makes a link to a folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._files: dict[str, _File] = {}
        self._links: dict[str, str] = {}
        self._folders: set[str] = set()
        self._gone: set[str] = set()

    def plan(self, change: Change, path: str) -> None:
        """From here on the tree is as after the change. path: where the change's own path leads to."""
        match change:
            case WriteFile():
                status = self.status(path)
                known = stat.S_IMODE(status.st_mode) if status is not None else 0o644
                self._place(path)
                self._files[path] = _File(change.content, known if change.mode is None else change.mode)
            case MakeLink():
                self._place(path)
                self._links[path] = change.target
            case MakeSwapFile():
                self._place(path)
                self._files[path] = _File(b"", 0o600)
            case RemoveFile() | RemoveFolder():
                self._forget(path)
                self._gone.add(path)
            case _:
                """Neither a disk's sectors nor a label is seen by a step."""

    def _place(self, path: str) -> None:
        self._forget(path)
        folder = path.rpartition("/")[0]
        while folder and self.status(folder) is None:
            self._folders.add(folder)
            folder = folder.rpartition("/")[0]

    def _forget(self, path: str) -> None:
        self._files.pop(path, None)
        self._links.pop(path, None)
        self._gone.discard(path)

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """As of a tree; what is planned is a file in memory, a planned folder the nearest one that is there."""
        place = self.place_of(path) if flags & os.O_NOFOLLOW else self.real_path(path)
        if place in self._files:
            return _in_memory(self._files[place])
        if place in self._links or self._is_gone(place):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        while place in self._folders:
            place = place.rpartition("/")[0] or "/"
        return open_in_root(self._fd, place, flags)

    def link_target(self, path: str) -> str | None:
        """As of a tree."""
        place = self.place_of(path)
        return self._links[place] if place in self._links else super().link_target(path)

    def names(self, path: str) -> list[str]:
        """As of a tree."""
        place = self.real_path(path).rstrip("/")
        found = set() if place in self._folders else set(super().names(path))
        planned = (*self._files, *self._links, *self._folders)
        found |= {each.rpartition("/")[2] for each in planned if each.rpartition("/")[0] == place}
        return sorted(name for name in found if not self._is_gone(f"{place}/{name}"))

    def real_path(self, path: str) -> str:
        """As of a tree."""
        for _ in range(_MOST_LINKS):
            place = self.place_of(path) if path.strip("/") else "/"
            target = self._links.get(place)
            if target is None:
                return place if self._is_planned(place) else self._resolved(place) or path
            path = os.path.normpath(os.path.join(place.rpartition("/")[0] or "/", target))
        return path

    def _is_planned(self, place: str) -> bool:
        return place in self._files or place in self._folders or self._is_gone(place)

    def _is_gone(self, place: str) -> bool:
        return any(place == gone or place.startswith(f"{gone}/") for gone in self._gone)

    def place_of(self, path: str) -> str:
        """As of a tree."""
        folder, _, name = path.rstrip("/").rpartition("/")
        missing: list[str] = []
        while (below := self._resolved(folder or "/")) is None:
            folder, _, part = folder.rpartition("/")
            missing.insert(0, part)
        return "/".join([below.rstrip("/"), *missing, name])


def _in_memory(file: _File) -> int:
    descriptor = os.memfd_create("planned", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as writer:
        writer.write(file.content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.fchmod(descriptor, file.mode)
    return descriptor


class Planner:
    """Stands in the engine's place: what a step asks for is noted and changes the planned tree only."""

    def __init__(self, tree: PlannedTree, raw_path: Callable[[str], Path]) -> None:
        self._tree = tree
        self._raw_path = raw_path

    def apply(
        self, step: str, changes: Sequence[Change]
    ) -> tuple[list[AdaptationChange], list[tuple[Change, OSError]]]:
        """The changes that the engine would make; none fails."""
        planned = []
        for change in changes:
            report = change_report(self._tree, self._raw_path, step, change)
            if report is not None:
                self._tree.plan(change, report.path)
                planned.append(report)
        return planned, []


class Announced:
    """Stands in the sandbox's place: programs of the system are run by the adaptation only."""

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        """Nothing is run."""
        return SandboxResult(status=0, output=b"", messages="", is_planned=True)
