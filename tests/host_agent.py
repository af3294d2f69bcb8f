"""A real host agent for tests, with a stub in the place of the helper's target agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.host.census import release
from agents.host.folders import all_targets
from tests.servers import wait_until

REPOSITORY = Path(__file__).parent.parent

# Stands for the target agent: it reads its configuration from standard input as that does, leaves on the volume
# what it got, attaches the loop device that it is asked for, and waits for SIGTERM.
HELPER_STUB = """
import json, os, pathlib, signal, subprocess, sys, time
configuration = json.load(sys.stdin)
state = pathlib.Path(configuration["state_folder"])
starts = state / "starts.jsonl"
with starts.open("a") as file:
    file.write(json.dumps({**configuration, "argv": sys.argv, "pid": os.getpid()}) + "\\n")
child = subprocess.Popen(["sleep", "600"])
def stop(*_):
    (state.parent / "stopped-with-child").write_text(str(child.poll() is None))
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
for disk in (state.parent.parent / "attach").glob("*"):
    subprocess.run(["losetup", "--find", disk.resolve()], check=True)
(state.parent / "ready").write_text(starts.read_text())
time.sleep(600)
"""


@contextmanager
def running_host_agent(folder: Path, *, bus_url: str, **further: str) -> Iterator[HostAgent]:
    """A host agent that has started. At the end nothing is left of it, whatever a failed test left behind."""
    agent = HostAgent(folder, bus_url=bus_url, **further)
    agent.start()
    try:
        yield agent
    finally:
        agent.kill()
        for target in all_targets(agent.data):
            release(target, only_temporary=False)


class HostAgent:
    """``python -m agents.host`` over a data folder; kill() and start() as needed."""

    def __init__(self, folder: Path, *, bus_url: str, **further: str) -> None:
        self.data = folder / "data"
        self.log = folder / "host.log"
        self._settings = folder / "host.json"
        stub = folder / "helper_stub.py"
        stub.write_text(HELPER_STUB)
        self._settings.write_text(
            json.dumps(
                {
                    "data_folder": str(self.data),
                    "bus_url": bus_url,
                    "helper_command": [sys.executable, str(stub)],
                    "watch_interval_s": 0.2,
                    "restart_delay_s": 0.1,
                    "boot_probe_kernel": "/nonexistent",
                    **further,
                }
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        before = self._times_served()
        with self.log.open("ab") as log:
            argv = [sys.executable, "-m", "agents.host", str(self._settings)]
            self._process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=log, stderr=log)
        wait_until(lambda: self._times_served() > before, what="host agent")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def target(self, target_id: str) -> Path:
        return self.data / "targets" / target_id

    def helper_starts(self, target_id: str) -> list[dict[str, object]]:
        """What the stub was given at each of its starts, once it is ready."""
        ready = self.target(target_id) / "helper" / "ready"
        return [json.loads(line) for line in ready.read_text().splitlines()] if ready.exists() else []

    def leftovers(self) -> list[str]:
        """Processes, loop devices and mounts that name the data folder."""
        found = [
            f"loop {entry}" for entry in Path("/sys/block").glob("loop*/loop") if self._names(entry / "backing_file")
        ]
        found += ["mount" for line in Path("/proc/mounts").read_text().splitlines() if str(self.data) in line]
        own = self._process.pid if self._process is not None else 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in (own, os.getpid()):
                seen = self._names(entry / "cmdline") or self._names(entry / "mountinfo")
                found += [f"process {entry.name}"] if seen else []
        return found

    def _names(self, path: Path) -> bool:
        try:
            return str(self.data) in path.read_text(errors="replace")
        except OSError:
            return False

    def _times_served(self) -> int:
        return self.log.read_text().count("host agent serves") if self.log.exists() else 0
