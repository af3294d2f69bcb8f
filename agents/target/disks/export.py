"""A qcow2 layer as a raw file: qemu-storage-daemon's FUSE export."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.disks import EXPORT_FAILED

_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.02
# PR_SET_PDEATHSIG fires when the thread that started the child ends, so one thread that never ends starts all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="export-starter")


class Qcow2Export:
    """A running export; path is the raw file. It ends with `close`, or with this process."""

    def __init__(self, image: Path, path: Path, *, is_read_only: bool = False) -> None:
        """path: where the raw file appears; its folder must exist. Raises MigrationError SMS.DISK.EXPORT_FAILED."""
        self.path = path
        path.touch()
        self._log = path.with_suffix(".log")
        command = _command(image, path, is_read_only=is_read_only)
        with self._log.open("wb") as log:
            self._process = _starter.submit(
                subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ).result()
        self._wait_until_ready(image)

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
        self.path.unlink(missing_ok=True)
        self._log.unlink(missing_ok=True)


def _command(image: Path, path: Path, *, is_read_only: bool) -> list[str]:
    read_only = "on" if is_read_only else "off"
    writable = "off" if is_read_only else "on"
    return [
        *("setpriv", "--pdeathsig", "KILL", "qemu-storage-daemon"),
        *("--blockdev", f"driver=file,node-name=file,filename={_escaped(image)},read-only={read_only}"),
        *("--blockdev", f"driver=qcow2,node-name=layer,file=file,read-only={read_only}"),
        *("--export", f"type=fuse,id=raw,node-name=layer,mountpoint={_escaped(path)},writable={writable}"),
    ]


def _escaped(path: Path) -> str:
    return os.fspath(path).replace(",", ",,")
