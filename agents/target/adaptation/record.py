"""What an adaptation has done and found so far, and the report that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.adaptation import AdaptationChange, AdaptationCheck, AdaptationReport

_GATHERED_FROM: Final = 20


class Record:
    """What has happened so far."""

    def __init__(self) -> None:
        self.changes: list[AdaptationChange] = []
        self.checks: list[AdaptationCheck] = []
        self.facts: dict[str, str] = {}
        self.needs: dict[str, str] = {}

    @property
    def is_fatal(self) -> bool:
        """Whether an E check has failed."""
        return any(check.severity == "E" and check.failure is not None for check in self.checks)

    def report(self, seconds: float) -> AdaptationReport:
        """The verdict first."""
        failure = next((each.failure for each in self.checks if each.severity == "E" and each.failure), None)
        paths = [each.path for each in self.changes if each.operation != "boot_code"]
        return AdaptationReport(
            verdict="failed" if failure is not None else "passed",
            failure=failure,
            facts=self.facts,
            changes=tuple(_gathered(self.changes)),
            checks=tuple(self.checks),
            needs=self.needs,
            adapted_paths=tuple(dict.fromkeys(paths)),
            seconds=round(seconds, 3),
        )


def _gathered(changes: Sequence[AdaptationChange]) -> list[AdaptationChange]:
    """Many files made in one folder for one reason are one change to a reader (GRUB has 290 modules)."""
    gathered: list[AdaptationChange] = []
    counts: dict[tuple[str, str, str, str], int] = {}
    for change in changes:
        folder = change.path.rpartition("/")[0]
        key = (change.step, folder, change.operation, change.reason)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 1:
            gathered.append(change)
    for index, change in enumerate(gathered):
        folder = change.path.rpartition("/")[0]
        count = counts[change.step, folder, change.operation, change.reason]
        if count >= _GATHERED_FROM:
            gathered[index] = change.model_copy(update={"path": f"{folder}/", "after": f"{count} files"})
    return gathered
