"""A supervised process is started again when it dies, less eagerly when it keeps dying, and stops for good."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cli.installation import ProcessState
from cli.supervisor.child import Child, ChildSpec
from cli.supervisor.log_file import RotatingLog


@asynccontextmanager
async def kept_alive(folder: Path, program: str, *, stop_timeout_s: float = 5.0) -> AsyncIterator[Child]:
    spec = ChildSpec(
        name="program",
        command=(sys.executable, "-u", "-c", program),
        environment={"PATH": "/usr/bin:/bin"},
        stop_timeout_s=stop_timeout_s,
    )
    child = Child(spec, RotatingLog(folder / "program.log"), changed=lambda: None)
    child.start()
    try:
        yield child
    finally:
        await child.stop()


async def until(child: Child, condition: Callable[[ProcessState], bool], *, timeout_s: float = 10.0) -> ProcessState:
    async with asyncio.timeout(timeout_s):
        while not condition(child.view()):
            await asyncio.sleep(0.01)
    return child.view()


async def test_a_killed_process_is_back_within_two_seconds(tmp_path: Path) -> None:
    async with kept_alive(tmp_path, "import time; time.sleep(60)") as child:
        first = (await until(child, lambda view: view.pid is not None)).pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        second = await until(child, lambda view: view.pid not in {None, first}, timeout_s=2.0)
        assert second.restarts == 1


async def test_a_process_that_dies_at_once_is_tried_less_and_less_often(tmp_path: Path) -> None:
    async with kept_alive(tmp_path, "raise SystemExit(3)") as child:
        await until(child, lambda view: view.restarts == 3)
    log = (tmp_path / "program.log").read_text()
    assert [line.rpartition(" in ")[2] for line in log.splitlines()] == ["0.2 s", "0.4 s", "0.8 s"]
    assert "exit code 3" in log


async def test_a_stopped_process_is_not_started_again(tmp_path: Path) -> None:
    async with kept_alive(tmp_path, "import time; time.sleep(60)") as child:
        pid = (await until(child, lambda view: view.pid is not None)).pid
    assert child.view().state == "stopped"
    assert child.view().pid is None
    assert not Path(f"/proc/{pid}").exists()


async def test_a_process_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    async with kept_alive(tmp_path, deaf, stop_timeout_s=0.2) as child:
        pid = (await until(child, lambda view: view.pid is not None)).pid
        async with asyncio.timeout(10):
            log = tmp_path / "program.log"
            while not log.exists() or "deaf" not in log.read_text():
                await asyncio.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


async def test_a_program_that_cannot_be_started_is_reported_in_its_log(tmp_path: Path) -> None:
    spec = ChildSpec(name="nothing", command=("/nonexistent/program",))
    child = Child(spec, RotatingLog(tmp_path / "nothing.log"), changed=lambda: None)
    child.start()
    await until(child, lambda view: view.restarts > 0)
    await child.stop()
    assert "No such file" in (tmp_path / "nothing.log").read_text()


def test_a_log_file_is_rotated_and_old_ones_are_dropped(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "x.log", max_bytes=100, kept_files=2)
    for number in range(10):
        log.write(f"{number}".encode() * 60)
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"x.log", "x.log.1", "x.log.2"}
    assert (tmp_path / "x.log").read_text() == "9" * 60
    assert (tmp_path / "x.log.1").read_text() == "8" * 60
