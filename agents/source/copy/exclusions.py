"""What is left out of a copy: the user's excludes, the agent itself, swap files, lost+found of a file system."""

from __future__ import annotations

import os
from collections.abc import Sequence

from agents.transfer.paths import join

LOST_AND_FOUND = b"lost+found"


class Exclusions:
    """The paths of one volume that are left out, with all below them.

    Paths are absolute, as the migrated system sees them; one that ends in ``/*`` leaves out what is in a directory
    but not the directory. A path on another volume matters only there.
    """

    def __init__(
        self, mount_point: str, *, excludes: Sequence[str], own_paths: Sequence[str], swap_files: Sequence[str] = ()
    ) -> None:
        self._reasons: dict[bytes, str] = {}
        self._contents: dict[bytes, str] = {}
        for paths, reason in ((swap_files, "swap"), (excludes, "excluded"), (own_paths, "own")):
            for path in paths:
                self._add(mount_point, path, reason)

    def reason(self, directory: bytes, name: bytes) -> str | None:
        """Why an entry is left out; None if it is not."""
        if directory in self._contents:
            return self._contents[directory]
        if not self._reasons:
            return None
        return self._reasons.get(join(directory, name))

    def _add(self, mount_point: str, path: str, reason: str) -> None:
        is_contents = path.endswith("/*")
        encoded = os.fsencode(os.path.normpath(path[:-2] or "/" if is_contents else path))
        prefix = os.fsencode(mount_point.rstrip("/")) + b"/"
        if encoded + b"/" == prefix or encoded == prefix:
            relative = b""
        elif encoded.startswith(prefix):
            relative = encoded[len(prefix) :]
        else:
            return
        if is_contents:
            self._contents[relative] = reason
        elif relative:
            self._reasons[relative] = reason
