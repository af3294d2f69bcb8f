"""Where everything of a target lies in the data folder; names from the bus are checked here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.target import TARGET_BAD_NAME

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def checked_name(name: str, *, kind: str) -> str:
    """A name that is safe as part of a path. Raises MigrationError SMS.TARGET.BAD_NAME."""
    if not _NAME.fullmatch(name):
        raise MigrationError(TARGET_BAD_NAME, name=name[:80], kind=kind)
    return name


@dataclass(frozen=True)
class TargetFolder:
    """One target's part of the data folder.

    ``replica/`` the layers of its disks, ``replica.json`` what they are · ``layers/ID/`` launch layers ·
    ``machines/ID/`` console logs, monitors, process records · ``rehearsals/ID/`` order, report and console log of a
    rehearsal · ``helper/`` the temporary volume and the helper's
    record and log · ``disks/`` flattened disks,
    ``flattening.json`` and ``flattened.json`` how far they are.
    """

    path: Path

    @classmethod
    def of(cls, data_folder: Path, target_id: str) -> TargetFolder:
        """Raises MigrationError SMS.TARGET.BAD_NAME for an id that is no name."""
        return cls(data_folder / "targets" / checked_name(target_id, kind="target"))

    @property
    def target_id(self) -> str:
        """The target's id."""
        return self.path.name

    @property
    def replica(self) -> Path:
        """The folder of the replica's layers."""
        return self.path / "replica"

    @property
    def helper(self) -> Path:
        """The folder of the helper and its volume."""
        return self.path / "helper"

    @property
    def flattened(self) -> Path:
        """The folder of the self-contained disks."""
        return self.path / "disks"

    def layer(self, layer_id: str) -> Path:
        """The folder of a launch layer."""
        return self.path / "layers" / checked_name(layer_id, kind="launch layer")

    def machine(self, layer_id: str) -> Path:
        """The folder of a machine; it outlives its layer, for the console log."""
        return self.path / "machines" / checked_name(layer_id, kind="launch layer")

    def rehearsal(self, rehearsal_id: str) -> Path:
        """The folder of a rehearsal; its layer is a launch layer of the same id."""
        return self.path / "rehearsals" / checked_name(rehearsal_id, kind="rehearsal")

    def rehearsal_ids(self) -> tuple[str, ...]:
        """The rehearsals that were ever begun."""
        return names_in(self.path / "rehearsals")

    def layer_ids(self) -> tuple[str, ...]:
        """The launch layers that exist, complete or not."""
        return names_in(self.path / "layers")

    def machine_ids(self) -> tuple[str, ...]:
        """The machines that were ever started."""
        return names_in(self.path / "machines")


def all_targets(data_folder: Path) -> tuple[TargetFolder, ...]:
    """Every target that has a folder."""
    return tuple(TargetFolder(data_folder / "targets" / name) for name in names_in(data_folder / "targets"))


def names_in(folder: Path) -> tuple[str, ...]:
    """The names of what a folder holds, sorted, unfinished work (a leading dot) left out; () for no folder."""
    try:
        return tuple(sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")))
    except FileNotFoundError:
        return ()
