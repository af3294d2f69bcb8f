"""What a step may ask for. Steps only plan; the engine journals and applies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.adaptation import AdaptationCheck

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class WriteFile:
    """Give a file this content. An existing file keeps owner, mode and attributes; a new one is root's.

    mode None: 0644 for a new file, as it is for an existing one. replaces_link: a symbolic link at path is not
    followed, the file takes its place.
    """

    path: str
    content: bytes
    reason: str
    mode: int | None = None
    before: str = ""
    after: str = ""
    replaces_link: bool = False


@dataclass(frozen=True, kw_only=True)
class MakeLink:
    """Make a symbolic link, in place of a file or link that is there."""

    path: str
    target: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RemoveFile:
    """Remove a file or symbolic link; nothing happens when it is not there.

    is_secret: the content must not stay in the journal, so the removal cannot be undone.
    """

    path: str
    reason: str
    is_secret: bool = False


@dataclass(frozen=True, kw_only=True)
class RemoveFolder:
    """Remove a folder and all below it, for good: it is used for our own agent's data only."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class WriteDisk:
    """Write bytes to a disk, outside of every file system. after: what a person is told, "" for how many and where."""

    disk: str
    offset_bytes: int
    content: bytes
    reason: str
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class MakeSwapFile:
    """Make a swap file; nothing happens when a file is there. Its folder has to be there.

    identifier: the area's UUID. is_written: with zeros, for kernels that take allocated blocks for holes.
    """

    path: str
    size_bytes: int
    reason: str
    identifier: str = ""
    label: str = ""
    is_on_btrfs: bool = False
    is_written: bool = False


@dataclass(frozen=True, kw_only=True)
class SetLabel:
    """Give a file, folder or link that this adaptation has written its SELinux label. What was there before is in the
    journal already, label and all."""

    path: str
    label: str
    reason: str
    before: str = ""


Change = WriteFile | MakeLink | RemoveFile | RemoveFolder | WriteDisk | MakeSwapFile | SetLabel


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """A step's plan. is_fatal: an E check of it failed, and later steps would work on sand."""

    changes: tuple[Change, ...] = ()
    checks: tuple[AdaptationCheck, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_fatal(self) -> bool:
        """Whether one of the checks stops the launch."""
        return any(check.severity == "E" and check.failure is not None for check in self.checks)
