"""A qcow2 layer as a raw file: qemu-storage-daemon's FUSE export.

The daemon must never be the last to hold a mount namespace in which file systems on its own export are mounted:
its end would unmount them, their flush would wait for the daemon, and every loop device of the machine would hang
(seen when an agent was killed). So each daemon has a mount namespace of its own, and only the folder of the
exports is shared between that one and the agent's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from agents.target.disks.mounts import mounts_below, unmount_below
from agents.target.namespace import MNT_DETACH, MS_BIND, MS_SHARED, mount, unmount
from contracts.errors import MigrationError
from contracts.errors.disks import EXPORT_FAILED

_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.02
# PR_SET_PDEATHSIG fires when the thread that started the child ends, so one thread that never ends starts all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="export-starter")


def share_folder(folder: Path) -> None:
    """Make a folder in which exports appear for this process although their daemons mount them elsewhere.

    May be repeated: a second mount on it would hide the exports that are there (`os.path.ismount` sees no bind
    mount within one file system).
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder not in mounts_below(folder):
        mount(str(folder), str(folder), flags=MS_BIND)
        mount("none", str(folder), flags=MS_SHARED)


def unshare_folder(folder: Path) -> None:
    """Undo `share_folder`; its exports must be closed. May be repeated."""
    unmount_below(folder)


class Qcow2Export:
    """A running export; path is the raw file. It ends with `close`, or with this process."""

    def __init__(self, image: Path, path: Path, *, is_read_only: bool = False) -> None:
        """path: where the raw file appears, in a folder of `share_folder`.

        Raises MigrationError SMS.DISK.EXPORT_FAILED.
        """
        self.path = path
        path.touch()
        self._log = path.with_suffix(".log")
        command = _command(image, path, is_read_only=is_read_only)
        with self._log.open("wb") as log:
            self._process = _starter.submit(
                subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ).result()
        self._wait_until_ready(image)

    @property
    def process_id(self) -> int:
        """The daemon's."""
        return self._process.pid

    def _wait_until_ready(self, image: Path) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            # The export is a mount of its own: another device number than its folder.
            if self.path.stat().st_dev != self.path.parent.stat().st_dev:
                return
            time.sleep(_POLL_INTERVAL_S)
        output = self._log.read_text(errors="replace")[-600:].strip() or "no message"
        self.close()
        raise MigrationError(EXPORT_FAILED, path=image, timeout_s=_START_TIMEOUT_S, output=output)

    def close(self) -> None:
        """Flush, end the daemon and remove the file. May be repeated."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        # A daemon that was killed leaves its mount, which answers nothing any more.
        with contextlib.suppress(OSError):
            unmount(str(self.path), flags=MNT_DETACH)
        self.path.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)


def _command(image: Path, path: Path, *, is_read_only: bool) -> list[str]:
    read_only = "on" if is_read_only else "off"
    writable = "off" if is_read_only else "on"
    return [
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "unchanged", "qemu-storage-daemon"),
        *("--blockdev", f"driver=file,node-name=file,filename={_escaped(image)},read-only={read_only}"),
        *("--blockdev", f"driver=qcow2,node-name=layer,file=file,read-only={read_only}"),
        *("--export", f"type=fuse,id=raw,node-name=layer,mountpoint={_escaped(path)},writable={writable}"),
    ]


def _escaped(path: Path) -> str:
    return os.fspath(path).replace(",", ",,")
