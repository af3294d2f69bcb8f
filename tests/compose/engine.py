"""A container engine for the tests: the one that runs, or one of our own with folders of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Engine:
    """Speaks to one engine. host: DOCKER_HOST, "" for the default."""

    host: str = ""

    @property
    def environment(self) -> dict[str, str]:
        own = {"DOCKER_HOST": self.host} if self.host else {}
        # The classic builder is in every version; images here need nothing of the newer one.
        return dict(os.environ) | own | {"DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0"}

    def run(self, *command: str, timeout_s: float = 600, **settings: str) -> str:
        """Run a program against this engine; returns its output. Raises with both outputs when it fails."""
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=self.environment | settings
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout

    def works(self) -> bool:
        return subprocess.run(["docker", "info"], capture_output=True, env=self.environment).returncode == 0


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """The user's engine if one runs, else one that is gone afterwards with everything that it made."""
    if Engine().works():
        yield Engine()
        return
    socket = folder / "docker.sock"
    engine = Engine(f"unix://{socket}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                "dockerd",
                f"--host={engine.host}",
                f"--data-root={folder / 'data'}",
                f"--exec-root={folder / 'exec'}",
                f"--pidfile={folder / 'dockerd.pid'}",
                # The rules of the machine's own firewall stay as they are: containers need each other only.
                "--iptables=false",
                "--ip6tables=false",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(engine, daemon, folder / "dockerd.log")
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(60)
        leave_no_bridge()
        unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not engine.works():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def leave_no_bridge() -> None:
    """The engine leaves its default bridge behind."""
    subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True)


def unmount_below(folder: Path) -> None:
    """What the engine left mounted (namespaces of containers) would keep its folder from being removed."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], capture_output=True)
