"""What is mounted where, and unmounting it again in the right order."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Final

from agents.target.namespace import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    mount,
    unmount,
)
from contracts.errors import MigrationError
from contracts.errors.disks import BUSY, MOUNT_FAILED

# Nothing in a foreign file system may become a device, a privilege or a program of the helper.
_GUARDED: Final = MS_NODEV | MS_NOSUID | MS_NOEXEC
_BUSY_TIMEOUT_S: Final = 10.0
_RETRY_INTERVAL_S: Final = 0.05


def mount_volume(
    device: Path, directory: str, kind: str, *, mount_point: str, is_read_only: bool = False, options: str = ""
) -> None:
    """Mount a file system guarded at an existing directory.

    mount_point: what errors call it. Raises MigrationError SMS.DISK.MOUNT_FAILED.
    """
    if kind == "xfs":
        # A launch layer has the same UUID as its replica, and XFS refuses a second one without nouuid.
        options = "nouuid"
    flags = _GUARDED | (MS_RDONLY if is_read_only else 0)
    try:
        mount(str(device), directory, kind, flags=flags, options=options)
    except OSError as error:
        raise MigrationError(
            MOUNT_FAILED, kind=kind, device=device, mount_point=mount_point, reason=error.strerror or error
        ) from error


def bind_folder(folder: Path, directory: str, *, is_read_only: bool = False) -> None:
    """Show a folder guarded at an existing directory. Raises MigrationError SMS.DISK.MOUNT_FAILED."""
    flags = MS_BIND | MS_REMOUNT | _GUARDED | (MS_RDONLY if is_read_only else 0)
    try:
        # A bind mount takes its flags with a second call only, and directory may be a descriptor of what it covers:
        # so the folder is guarded on itself first, and what is bound from there has its flags.
        mount(str(folder), str(folder), flags=MS_BIND)
        try:
            mount("none", str(folder), flags=flags)
            mount(str(folder), directory, flags=MS_BIND)
        finally:
            unmount(str(folder))
    except OSError as error:
        raise MigrationError(
            MOUNT_FAILED, kind="bind", device=folder, mount_point=directory, reason=error.strerror or error
        ) from error


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below a folder in this process's namespace, innermost and latest first."""
    prefix = str(folder)
    found = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        raw = line.split(b" ")[4]
        path = os.fsdecode(raw.decode("unicode_escape").encode("latin-1"))
        if path == prefix or path.startswith(prefix.rstrip("/") + "/"):
            found.append(Path(path))
    return found[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder. Raises MigrationError SMS.DISK.BUSY after 10 s."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    for path in mounts_below(folder):
        while True:
            try:
                unmount(str(path))
            except OSError as error:
                if error.errno in {errno.EINVAL, errno.ENOENT}:
                    break  # somebody else was faster
                if time.monotonic() > deadline:
                    reason = error.strerror or str(error)
                    raise MigrationError(BUSY, path=path, timeout_s=_BUSY_TIMEOUT_S, reason=reason) from error
                time.sleep(_RETRY_INTERVAL_S)
            else:
                break


def remove_empty_folders(folder: Path) -> None:
    """Remove a folder of empty mount points; anything that is not empty stays."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(OSError):
            path.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
