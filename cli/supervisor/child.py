"""One supervised process: started, started again when it ends by itself, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cli.installation import ProcessState
from cli.supervisor.log_file import RotatingLog

ChildState = Literal["starting", "running", "restarting", "stopped"]

FIRST_DELAY_S = 0.2
LAST_DELAY_S = 5.0
# A process that has lived this long has not failed at its start: the next death is answered at once again.
STEADY_AFTER_S = 10.0


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to run. environment is the whole one of the process. stop_timeout_s: from SIGTERM to SIGKILL."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_timeout_s: float = 10.0


class Child:
    """Keeps one process alive. changed is called after every change of its state."""

    def __init__(self, spec: ChildSpec, log: RotatingLog, *, changed: Callable[[], None]) -> None:
        self.spec = spec
        self._log = log
        self._changed = changed
        self._state: ChildState = "starting"
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._restarts = 0
        self._is_wanted = True
        self._was_healthy = False

    def view(self) -> ProcessState:
        """The process as the state file shows it."""
        is_alive = self._process is not None and self._process.returncode is None
        pid = self._process.pid if self._process is not None and is_alive else None
        return ProcessState(name=self.spec.name, state=self._state, pid=pid, restarts=self._restarts)

    def start(self) -> None:
        """Begin to keep the process alive."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    def mark_running(self) -> None:
        """It has been seen healthy."""
        self._was_healthy = True
        if self._state != "running":
            self._set("running")

    async def stop(self) -> None:
        """End the process for good: SIGTERM, after stop_timeout_s SIGKILL."""
        self._is_wanted = False
        process = self._process
        if process is not None and process.returncode is None:
            await self._end(process)
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._log.close()
        self._set("stopped")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for number, timeout_s in ((signal.SIGTERM, self.spec.stop_timeout_s), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), timeout_s)
                return

    async def _keep(self) -> None:
        delay_s = FIRST_DELAY_S
        loop = asyncio.get_running_loop()
        while self._is_wanted:
            started_at = loop.time()
            outcome = await self._run_once()
            if not self._is_wanted:
                return
            if loop.time() - started_at >= STEADY_AFTER_S:
                delay_s = FIRST_DELAY_S
            self._restarts += 1
            self._log.write(f"[supervisor] {self.spec.name} ended ({outcome}); again in {delay_s:.1f} s\n".encode())
            self._set("restarting")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LAST_DELAY_S)

    async def _run_once(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(self.spec.environment),
                # Ctrl-C at the terminal is the supervisor's to handle, in its order.
                start_new_session=True,
            )
        except OSError as error:
            return str(error)
        self._process = process
        # Once it has been healthy, a restart is short and needs no new look.
        self._set("running" if self._was_healthy else "starting")
        assert process.stdout is not None  # noqa: S101 - asked for above; tells the type checker
        # A child of the child may hold the pipe open for longer: the end of the process counts, not of the pipe.
        follower = asyncio.create_task(self._log.follow(process.stdout))
        code = await process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(follower, 1.0)
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _set(self, state: ChildState) -> None:
        self._state = state
        self._changed()
