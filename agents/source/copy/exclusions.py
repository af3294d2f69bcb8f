"""What is left out of a copy: the user's excludes, the agent itself, swap files, lost+found of a file system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from agents.transfer.paths import join, split

LOST_AND_FOUND = b"lost+found"
EXCLUDED: Final = "excluded"


class Exclusions:
    """The paths of one volume that are left out, with all below them.

    Paths are absolute, as the migrated system sees them; one that ends in ``/*`` leaves out what is in a directory
    but not the directory. A path on another volume matters only there; one that the volume is mounted at or below
    leaves out all that is in it. only_paths: when there are any, everything is left out but these, what is below them,
    and the directories that lead there.
    """

    def __init__(
        self,
        mount_point: str,
        *,
        excludes: Sequence[str],
        own_paths: Sequence[str],
        swap_files: Sequence[str] = (),
        only_paths: Sequence[str] = (),
    ) -> None:
        self._prefix = os.fsencode(mount_point.rstrip("/")) + b"/"
        self._reasons: dict[bytes, str] = {}
        self._contents: dict[bytes, str] = {}
        self._parents: set[bytes] = set()
        self._only = [_encoded(path.removesuffix("/*") or "/") for path in only_paths]
        for paths, reason in ((swap_files, "swap"), (excludes, EXCLUDED), (own_paths, "own")):
            for path in paths:
                self._add(path, reason)

    def is_none(self, directory: bytes) -> bool:
        """Whether certainly nothing in a directory is left out, so that its entries need not be asked for."""
        return not self._only and directory not in self._contents and directory not in self._parents

    def reason(self, directory: bytes, name: bytes) -> str | None:
        """Why an entry is left out; None if it is not."""
        if directory in self._contents:
            return self._contents[directory]
        path = join(directory, name)
        return self._reasons.get(path) or (None if self.is_looked_at(path) else EXCLUDED)

    def is_left_out(self, path: bytes) -> bool:
        """Whether a directory of the volume is left out, by itself or by one above it."""
        while path:
            parent, _, name = path.rpartition(b"/")
            if self.reason(parent, name):
                return True
            path = parent
        return False

    def keeps(self, directory: bytes, name: bytes) -> bool:
        """Whether an entry that the target holds stays there as it is: it was copied before it was left out."""
        return self.reason(directory, name) == EXCLUDED

    def is_looked_at(self, path: bytes) -> bool:
        """Whether a path of the volume is one of only_paths, below one, or leads to one."""
        if not self._only:
            return True
        full = self._prefix + path
        return any(_is_below(full, only) or _is_below(only, full) for only in self._only)

    def _add(self, path: str, reason: str) -> None:
        is_contents = path.endswith("/*")
        encoded = _encoded(path[:-2] or "/" if is_contents else path)
        if _is_below(self._prefix.rstrip(b"/") or b"/", encoded):
            self._contents[b""] = reason
        elif not encoded.startswith(self._prefix):
            return
        elif is_contents:
            self._contents[encoded[len(self._prefix) :]] = reason
        else:
            relative = encoded[len(self._prefix) :]
            self._reasons[relative] = reason
            self._parents.add(split(relative)[0])


def _encoded(path: str) -> bytes:
    return os.fsencode(os.path.normpath(path))


def _is_below(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")
