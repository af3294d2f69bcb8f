"""The product as its user has it: `sms` as a program, an all-in-one in a folder of its own, a source agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil

SMS: Final = str(Path(sys.executable).with_name("sms"))
# A profile of the developer's own would lead to another installation than the test's.
CHOICES: Final = frozenset({"SMS_PROFILE", "SMS_ENDPOINT"})
_POLL_S: Final = 0.2
Found = TypeVar("Found")


class CommandError(AssertionError):
    """`sms` has ended with another status than 0; error is what it said."""

    def __init__(self, words: tuple[str, ...], status: int, error: str) -> None:
        super().__init__(f"`sms {' '.join(words)}` ended with {status}: {error}")
        self.status = status
        self.error = error


class Agent:
    """`sms agent run` on a mounted system; started again by the test as systemd would."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._command = command
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As `systemctl stop` does."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Installation:
    """An all-in-one whose data folder is `folder/data`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._credential: dict[str, str] = {}

    def run(self, *words: str, timeout_s: float = 280) -> str:
        """What the command prints. Raises CommandError."""
        command = [SMS, *words, "--data", str(self.data)]
        environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, env=environment
        )
        if done.returncode != 0:
            raise CommandError(words, done.returncode, done.stderr)
        return done.stdout

    def ask(self, *words: str, timeout_s: float = 280) -> Any:
        """What the command prints as JSON. Raises CommandError."""
        return json.loads(self.run(*words, "--output", "json", timeout_s=timeout_s))

    def task(self, task_id: str) -> Any:
        """`sms task show`."""
        return self.ask("task", "show", task_id)

    def pids(self) -> dict[str, int]:
        """The running processes by name."""
        return {one["name"]: one["pid"] for one in self.ask("status")["services"] if one["pid"]}

    def new_agent(self, root: Path, state: Path, *, program: Sequence[str] = (SMS, "agent")) -> Agent:
        """A source agent for the system mounted at root, not started yet. program: how the agent is called."""
        status, secret = self.ask("status"), self.folder / "secret-key"
        if not self._credential:
            self.run("user", "create", "agents", "--policy", "SMS AgentAccess")
            self._credential = self.ask("credential", "create", "--user", "agents")
            secret.touch(0o600)
            secret.write_text(self._credential["secret_key"])
        command = [*program, "run", "--bus", status["bus_url"], "--ca", status["ca_file"]]
        command += ["--access-key", self._credential["access_key"], "--secret-key-file", str(secret)]
        return Agent([*command, "--root", str(root), "--state", str(state)], self.folder / "agent.log")

    def await_server(self, *, timeout_s: float = 60) -> str:
        """The id of the only source server, once it is connected and checked."""

        def found() -> str:
            servers = self.ask("server", "list")["servers"]
            return servers[0]["id"] if servers and servers[0]["checks"] and servers[0]["connected"] else ""

        return wait_for(found, "a server that is connected and checked", timeout_s=timeout_s)

    def await_copied_bytes(self, task_id: str, wanted: int, *, timeout_s: float = 120) -> Any:
        """The task, as soon as its running copy has done at least as many bytes of contents."""

        def reached() -> Any:
            task = self.task(task_id)
            assert task["error"] is None, task["error"]
            assert task["phase"] in {"READY", "PREPARING", "COPYING"}, f"{task['phase']}: the copy was too fast"
            return task if (task["progress"] or {}).get("bytes_done", 0) >= wanted else None

        return wait_for(reached, f"{wanted} copied bytes", timeout_s=timeout_s)

    def await_rest(self, task_id: str, *, timeout_s: float = 120) -> Any:
        """The task, once no step of it runs."""

        def rests() -> Any:
            task = self.task(task_id)
            return task if not task["step"] else None

        return wait_for(rests, "a task at rest", timeout_s=timeout_s)

    def processes(self) -> list[psutil.Process]:
        """Everything that this installation has started and that still runs."""
        mark = f"SMS_INSTALLATION={self.data}".encode()
        found = []
        for process in psutil.process_iter():
            try:
                environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                arguments = process.cmdline()
            except (OSError, psutil.Error):
                continue
            if mark in environment or any(str(self.data) in argument for argument in arguments):
                found.append(process)
        return found

    def target_agent(self) -> psutil.Process:
        """The process of the target agent in the only helper."""
        records = list(self.data.glob("targets/*/helper/helper.json"))
        assert len(records) == 1, records
        return psutil.Process(json.loads(records[0].read_text())["process"]["pid"])

    def leftovers(self) -> list[str]:
        """Loop devices, mounts and processes of this installation that stay."""
        # A supervisor that has stopped everything takes some milliseconds to end itself.
        deadline = time.monotonic() + 5
        while (found := self._leftovers()) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return found

    def _leftovers(self) -> list[str]:
        loops = subprocess.run(["losetup", "-nlO", "NAME,BACK-FILE"], capture_output=True, text=True, check=True).stdout
        mounts = Path("/proc/self/mountinfo").read_text()
        found = [line for line in (*loops.splitlines(), *mounts.splitlines()) if str(self.data) in line]
        return [*found, *(f"{process.pid} {process.name()}" for process in self.processes())]


@contextmanager
def running_installation(folder: Path, *options: str) -> Iterator[Installation]:
    """Up, on a free port, with further options; down at the end, with whatever a failed test has left."""
    installation = Installation(folder)
    installation.run("up", "--detach", "--bus-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", *options)
    try:
        yield installation
    finally:
        installation.run("down")
        for process in installation.processes():
            process.kill()


@contextmanager
def running_agent(agent: Agent) -> Iterator[Agent]:
    """Started, and stopped at the end."""
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


def wait_for(look: Callable[[], Found], what: str, *, timeout_s: float) -> Found:
    """The first true answer."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_POLL_S)
    raise AssertionError(f"no {what} within {timeout_s} s")


def kill(pid: int) -> None:
    """`kill -9`."""
    os.kill(pid, signal.SIGKILL)
