"""The script of SysV's kind, run with a program that takes its time to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agents.install import service
from agents.install.own_paths import PROGRAM, SYSV_LOG, UNPACK_FOLDER

# As the one file does it: what it has unpacked goes when it ends.
SLOW = """#!/bin/sh
mkdir -p "$TMPDIR/unpacked"
trap 'sleep 1.5; rm -r "$TMPDIR/unpacked"; exit 0' TERM
while :; do sleep 0.1; done
"""
DEAF = """#!/bin/sh
trap '' TERM
mkdir -p "$TMPDIR/unpacked"
while :; do sleep 0.1; done
"""


def script(folder: Path, program: str) -> Path:
    """The script with paths in a folder, and 3 s for the program to end."""
    text = service._SCRIPT.replace(f"left={service._STOP_S}", "left=3")
    for path in (UNPACK_FOLDER, PROGRAM, SYSV_LOG, "/var/run/sms-agent.pid"):
        text = text.replace(path, str(folder / Path(path).name))
    (folder / Path(UNPACK_FOLDER).name).mkdir()
    for name, content in ((Path(PROGRAM).name, program), ("script", text)):
        (folder / name).write_text(content)
        (folder / name).chmod(0o755)
    return folder / "script"


@contextmanager
def running(path: Path) -> Iterator[int]:
    """The process group of what the script has started; none of it is left afterwards."""
    unpacked = path.parent / Path(UNPACK_FOLDER).name / "unpacked"
    subprocess.run([path, "start"], check=True)
    deadline = time.monotonic() + 20
    while not unpacked.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    group = int((path.parent / "sms-agent.pid").read_text())
    try:
        assert subprocess.run([path, "status"]).returncode == 0
        yield group
    finally:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def is_alive(group: int) -> bool:
    return subprocess.run(["pgrep", "--pgroup", str(group), "--runstates", "RSD"]).returncode == 0


@pytest.mark.parametrize("program", [SLOW, DEAF], ids=["slow", "deaf"])
def test_stop_returns_when_the_agent_has_ended(tmp_path: Path, program: str) -> None:
    path = script(tmp_path, program)
    with running(path) as group:
        subprocess.run([path, "stop"], check=True)
        # Who was killed may still be on its way out.
        deadline = time.monotonic() + (5 if program == DEAF else 0)
        while is_alive(group) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_alive(group)
    assert (tmp_path / Path(UNPACK_FOLDER).name / "unpacked").exists() == (program == DEAF)
    assert subprocess.run([path, "status"]).returncode != 0
    assert subprocess.run([path, "stop"]).returncode == 0
