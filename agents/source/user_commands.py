"""Runs a user's command on the source: in the server's own view of its files, bounded in time and in what is kept."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from agents.source.bind import home_namespace
from contracts.cutover import CommandOutcome, SourceCommand

_KEPT_BYTES: Final = 4096
_KEPT_LINES: Final = 20
_READ_BYTES: Final = 65536
_LOOK_EVERY_S: Final = 0.2
_END_WITHIN_S: Final = 5.0
_NOT_STARTED: Final = -1
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLONE_NEWNS: Final = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def run_command(
    command: SourceCommand,
    *,
    name: str,
    environment: Mapping[str, str],
    must_stop: Callable[[], bool] = lambda: False,
) -> CommandOutcome:
    """Run it to its end, as root, in a session of its own, with no input and nothing of the agent's environment.

    What it leaves running is left alone, but its output is no longer read. must_stop: looked at now and then; true
    ends the command as its time limit does.
    """
    began = time.monotonic()
    try:
        process = _start(command, environment)
    except OSError as error:
        return CommandOutcome(name=name, exit_code=_NOT_STARTED, output=error.strerror or str(error))
    except subprocess.SubprocessError as error:
        return CommandOutcome(name=name, exit_code=_NOT_STARTED, output=str(error))
    try:
        output, is_timeout = _follow(process, began + command.timeout_s, must_stop)
    finally:
        if process.stdout:
            process.stdout.close()
    code = process.returncode
    return CommandOutcome(
        name=name,
        # As a shell says it: 128 and the signal.
        exit_code=128 - code if code < 0 else code,
        seconds=round(time.monotonic() - began, 3),
        output=_last_lines(output),
        is_timeout=is_timeout,
    )


def _start(command: SourceCommand, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    home = home_namespace()

    def enter() -> None:
        # The agent sees private mounts: a command that mounts or unmounts must do so for the whole server.
        if home is not None and _libc.setns(home, _CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "setns")
        os.chdir("/")

    return subprocess.Popen(
        list(command.argv) or ["/bin/sh", "-c", command.script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **environment},
        start_new_session=True,
        preexec_fn=enter,  # noqa: PLW1509 - two system calls and no lock
    )


def _follow(process: subprocess.Popen[bytes], deadline: float, must_stop: Callable[[], bool]) -> tuple[bytes, bool]:
    """(the end of its output, whether it had to be ended)."""
    assert process.stdout  # noqa: S101 - a pipe was asked for
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    kept = b""
    is_ended = False
    while process.poll() is None:
        if not is_ended and (time.monotonic() > deadline or must_stop()):
            is_ended = True
            _end(process)
        select.select([pipe], [], [], _LOOK_EVERY_S)
        kept = _read(pipe, kept)
    return _read(pipe, kept), is_ended


def _read(pipe: int, kept: bytes) -> bytes:
    """Once, so that a program that never stops writing is still looked at."""
    with suppress(BlockingIOError):
        part = os.read(pipe, _READ_BYTES)
        if not part:
            # It has closed its output and goes on: do not spin.
            time.sleep(_LOOK_EVERY_S / 10)
        return (kept + part)[-_KEPT_BYTES:]
    return kept


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN_S)
            return


def _last_lines(output: bytes) -> str:
    text = output.decode(errors="replace")
    printable = "".join(each if each.isprintable() or each == "\n" else "?" for each in text.replace("\t", " "))
    return "\n".join(printable.strip().splitlines()[-_KEPT_LINES:])
