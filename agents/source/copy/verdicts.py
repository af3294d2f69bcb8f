"""Collects the verdicts of a verification into the report: counts by directory, and capped lists of paths."""

from __future__ import annotations

from collections import Counter

from agents.source.copy.tally import MAX_LISTED_PATHS, shown
from contracts.transfer import DirectoryVerification, PathDifference, VerificationReport

_REPORTED_LEVELS = 2


class Verdicts:
    """Counts are by directory down to the second level of the whole tree; what is deeper counts there."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._bytes = 0
        self._contents = 0
        self._different: list[PathDifference] = []
        self._paths: dict[str, list[str]] = {"missing": [], "extra": [], "changed_since": []}

    def count(self, mount_point: str, path: bytes, *, files: int, size: int, contents: int) -> None:
        """Entries of a directory are being compared; contents: files of them that are read, of this size."""
        self._add(shown(mount_point, path), "files", files)
        self._bytes += size
        self._contents += contents

    def is_compared(self, mount_point: str, path: bytes) -> bool:
        """Whether entries of a directory have been counted, or of another one that counts with it."""
        return _counted_as(shown(mount_point, path)) in self._counts

    def different(self, mount_point: str, path: bytes, what: tuple[str, ...]) -> None:
        """An entry differs."""
        text = self._note(mount_point, path, "different")
        if len(self._different) < MAX_LISTED_PATHS:
            self._different.append(PathDifference(path=text, what=what))

    def missing(self, mount_point: str, path: bytes) -> None:
        """The target has no such entry."""
        self._list(mount_point, path, "missing")

    def unexpected(self, mount_point: str, path: bytes) -> None:
        """The target has an entry that was not copied."""
        self._list(mount_point, path, "extra")

    def changed_since(self, mount_point: str, path: bytes) -> None:
        """The source has changed the entry since the last round."""
        self._list(mount_point, path, "changed_since")

    def report(self, *, seconds: float) -> VerificationReport:
        """Everything so far."""
        directories = tuple(
            DirectoryVerification(path=path, **{name: int(number) for name, number in counts.items()})
            for path, counts in sorted(self._counts.items())
        )
        total: Counter[str] = Counter()
        for counts in self._counts.values():
            total.update(counts)
        return VerificationReport(
            files=total["files"],
            bytes_read=self._bytes,
            contents_read=self._contents,
            different=total["different"],
            missing=total["missing"],
            extra=total["extra"],
            changed_since=total["changed_since"],
            directories=directories,
            different_paths=tuple(self._different),
            missing_paths=tuple(self._paths["missing"]),
            extra_paths=tuple(self._paths["extra"]),
            changed_since_paths=tuple(self._paths["changed_since"]),
            seconds=seconds,
        )

    def _list(self, mount_point: str, path: bytes, status: str) -> None:
        text = self._note(mount_point, path, status)
        if len(self._paths[status]) < MAX_LISTED_PATHS:
            self._paths[status].append(text)

    def _note(self, mount_point: str, path: bytes, status: str) -> str:
        text = shown(mount_point, path)
        self._add(text.rpartition("/")[0], status, 1)
        return text

    def _add(self, directory: str, status: str, number: int) -> None:
        self._counts.setdefault(_counted_as(directory), Counter())[status] += number


def _counted_as(directory: str) -> str:
    levels = [level for level in directory.split("/") if level][:_REPORTED_LEVELS]
    return "/" + "/".join(levels)
