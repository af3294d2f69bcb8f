"""Run a program of the copied system to build something: confined, with the system's tree read-only.

The result is what the program writes to its standard output, so that the engine alone changes the tree.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agents.target.adaptation.confinement import PlannedDevice, confine_and_execute, die_with_parent

# In an emulated helper VM whose host had 17 runnable processes on two cores, one adaptation took 571 s.
TIMEOUT_S: Final = 1500.0
_OUTPUT_LIMIT_BYTES: Final = 1 << 29
_MESSAGES_LIMIT_BYTES: Final = 64 * 1024
_STATUS_OF_LAUNCHER: Final = 127


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """status: the program's exit status, or minus the signal that ended it. messages: the end of its standard
    error. is_timeout: it was killed since it did not end in time or wrote too much. is_planned: it has not been run,
    since this is a plan; the output is empty."""

    status: int
    output: bytes
    messages: str
    is_timeout: bool = False
    is_planned: bool = False


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Where programs run. root: the mounted tree. devices: the only block devices that they see, read-only."""

    root: Path
    devices: Sequence[PlannedDevice] = ()
    timeout_s: float = TIMEOUT_S
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        """Run a command (absolute path in the tree first). files: written below the sandbox's own /tmp, by name."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as messages:
            child = os.fork()
            if child == 0:
                self._child(command, files or {}, output.fileno(), messages.fileno())
            status, is_timeout = _wait(child, self.timeout_s, output.fileno())
            output.seek(0)
            size = messages.seek(0, os.SEEK_END)
            messages.seek(max(0, size - _MESSAGES_LIMIT_BYTES))
            return SandboxResult(
                status=status,
                output=output.read(_OUTPUT_LIMIT_BYTES),
                messages=messages.read().decode(errors="replace").strip(),
                is_timeout=is_timeout,
            )

    def _child(self, command: Sequence[str], files: Mapping[str, bytes], output: int, messages: int) -> None:
        """In the forked child: never returns, and runs no handler or destructor of the parent."""
        try:
            die_with_parent()
            # Once the tree is the root, an import would run the tree's code outside of any confinement.
            sys.meta_path.clear()
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(messages, 2)
            os.closerange(3, 65536)
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
                signal.signal(each, signal.SIG_DFL)
            confine_and_execute(
                command, root=str(self.root), devices=self.devices, files=files, environment=self.environment
            )
        except BaseException as error:  # noqa: BLE001 - the forked child must not run on in the parent's code
            with contextlib.suppress(OSError):
                os.write(2, f"sandbox: {error!r}\n".encode())
        finally:
            os._exit(_STATUS_OF_LAUNCHER)


def _wait(child: int, timeout_s: float, output: int) -> tuple[int, bool]:
    """(exit status, whether it had to be killed). Killing the child ends its whole PID namespace."""
    deadline = time.monotonic() + timeout_s
    descriptor = os.pidfd_open(child)
    is_killed = False
    try:
        while not select.select([descriptor], [], [], 0.2)[0]:
            if time.monotonic() > deadline or os.fstat(output).st_size > _OUTPUT_LIMIT_BYTES:
                is_killed = True
                os.kill(child, signal.SIGKILL)
                select.select([descriptor], [], [])
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), is_killed
    finally:
        os.close(descriptor)


def has_vsyscall() -> bool:
    """Whether this kernel answers the calls that C libraries before 2.14 make for the time; else they are killed."""
    return "[vsyscall]" in Path("/proc/self/maps").read_text(encoding="ascii", errors="replace")
