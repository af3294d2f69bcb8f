"""Processes that outlive the host agent: started in their own session, known by pid and start time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from contracts.base import Model

_PROC = Path("/proc")


class ProcessIdentity(Model):
    """A process that cannot be confused with a later one of the same pid.

    start_ticks: clock ticks after boot at which it started (field 22 of /proc/PID/stat). boot_id: the boot in
    which it ran.
    """

    pid: int
    start_ticks: int
    boot_id: str


def boot_id() -> str:
    """The id of this boot of the host."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a live process; None for one that has ended (a zombie counts as ended)."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return ProcessIdentity(pid=pid, start_ticks=int(fields[19]), boot_id=boot_id())


def is_alive(identity: ProcessIdentity | None) -> bool:
    """Whether exactly this process still runs. A child of ours that ended is reaped on the way."""
    if identity is None:
        return False
    with suppress(ChildProcessError):
        os.waitpid(identity.pid, os.WNOHANG)
    return identify(identity.pid) == identity


def start_session(
    argv: Sequence[str], *, log: Path, folder: Path | None = None, configuration: bytes = b""
) -> ProcessIdentity:
    """Start a process in a session of its own, its output appended to a log file.

    configuration goes in through a pipe as its standard input, which is closed after it: nothing of it shows in
    arguments or environment. Raises OSError when the program cannot be started or ends at once.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True, cwd=folder
        )
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(configuration)
    identity = identify(process.pid)
    # Reaped in is_alive; without this mark the interpreter warns about a child that it still counts as running.
    process.returncode = 0
    if identity is None:
        raise ProcessLookupError(f"{argv[0]} ended at once")
    return identity


def session_members(session: int) -> tuple[int, ...]:
    """The pids of every live process of a session."""
    return tuple(pid for pid in _pids() if (fields := _stat_fields(pid)) is not None and int(fields[3]) == session)


def processes_with_argument(argument: str) -> tuple[int, ...]:
    """The pids of every live process that was started with exactly this argument."""
    wanted = argument.encode()
    return tuple(pid for pid in _pids() if wanted in _read(pid, "cmdline").split(b"\0") and identify(pid))


def sees_mount(pid: int, mount_point: Path) -> bool:
    """Whether something is mounted there in the process's mount namespace."""
    # mountinfo writes blanks and the like as octal escapes.
    escaped = re.sub(rb"[\\ \t\n]", lambda match: b"\\%03o" % match[0][0], os.fsencode(mount_point))
    return b" " + escaped + b" " in _read(pid, "mountinfo")


def processes_that_see(mount_point: Path) -> tuple[int, ...]:
    """The pids of every live process in whose mount namespace something is mounted there."""
    return tuple(pid for pid in _pids() if pid != os.getpid() and sees_mount(pid, mount_point))


def end_processes(pids: Sequence[int], *, grace_s: float) -> None:
    """SIGTERM, wait, SIGKILL, and wait until all of them are gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + (grace_s if number is signal.SIGTERM else 10.0)
        while any(_lives(pid) for pid in pids):
            if time.monotonic() >= deadline:
                break
            time.sleep(0.05)
        else:
            return


def _lives(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return identify(pid) is not None


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _stat_fields(pid: int) -> list[str] | None:
    """/proc/PID/stat after the command name (which may hold blanks and brackets): [0] is the state."""
    text = _read(pid, "stat").decode("utf-8", errors="replace")
    if not text:
        return None
    return text[text.rindex(")") + 2 :].split()
