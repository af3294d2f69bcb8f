"""The deployment of docker-compose.yml as the tests see it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cli.supervisor.plan import SERVICES
from tests.compose.engine import Engine
from tests.compose.images import PROJECT

CONTAINERS = {service: service.replace("_", "-") for service in SERVICES}
_EVERY_FILE = """
import json, pathlib
files = (one for one in pathlib.Path("/all").rglob("*") if one.is_file())
print(json.dumps({str(one): one.read_bytes().hex() for one in files if "jetstream" not in one.parts}))
"""


@dataclass(frozen=True)
class Deployment:
    engine: Engine
    project: str
    bus_port: int
    api_port: int

    def compose(self, *arguments: str) -> str:
        files = ("-f", str(PROJECT / "docker-compose.yml"), "-f", str(PROJECT / "docker-compose.test.yml"))
        return self.engine.run(
            *compose_command(),
            *files,
            "-p",
            self.project,
            *arguments,
            SMS_IMAGE="sms:test",
            SMS_BUS_PORT=f"127.0.0.1:{self.bus_port}",
            SMS_API_PORT=f"127.0.0.1:{self.api_port}",
            SMS_ADVERTISE=f"127.0.0.1:{self.bus_port}",
        )

    def sms(self, *arguments: str) -> Any:
        """The command line where the README runs it: in the container of identity."""
        return json.loads(self.compose("exec", "-T", "identity", "sms", *arguments, "--output", "json"))

    def authority(self, folder: Path) -> Path:
        """The installation's CA, copied out as its user would."""
        path = folder / "ca.pem"
        path.write_text(self.compose("exec", "-T", "identity", "cat", "/config/ca.pem"))
        return path

    def inspect(self, service: str) -> Any:
        """What the engine says of the container of one service of the compose file."""
        return json.loads(self.engine.run("docker", "inspect", self.container(service)))[0]

    def container(self, service: str) -> str:
        # Of all containers: `ps -q SERVICE` leaves out those that have ended.
        labels = {"project": self.project, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
        return self.engine.run("docker", "ps", "--all", "--quiet", "--no-trunc", *filters).strip()

    def files(self, volume: str) -> dict[str, bytes]:
        """Paths and contents of a volume, as root reads them, but for the bus's streams."""
        mount = f"{self.project}_{volume}:/all:ro"
        run = ("docker", "run", "--rm", "--user=0", "--network=none", "--volume", mount, "sms:test")
        found: dict[str, str] = json.loads(self.engine.run(*run, "python", "-c", _EVERY_FILE))
        return {path.removeprefix("/all/"): bytes.fromhex(content) for path, content in found.items()}

    def new_user(self, policy: str = "SMS FullAccess") -> Any:
        """An access key of a user with this policy: of root's keys at most two are active."""
        name = f"u{uuid4().hex[:8]}"
        self.sms("user", "create", name, "--policy", policy)
        return self.sms("credential", "create", "--user", name)

    def wait_until_healthy(self, *, timeout_s: float = 180) -> None:
        deadline = time.monotonic() + timeout_s
        while set((health := self._health()).values()) != {"healthy"}:
            assert time.monotonic() < deadline, f"not healthy: {health}"
            time.sleep(1)

    def _health(self) -> dict[str, str]:
        return {name: self.inspect(name)["State"]["Health"]["Status"] for name in CONTAINERS.values()}


class Outside:
    """Somebody on another machine: a home folder, a profile, and the port that is published."""

    def __init__(self, deployment: Deployment, home: Path, credential: dict[str, Any]) -> None:
        self._home = home
        self.endpoint = f"https://127.0.0.1:{deployment.api_port}"
        self._environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        words = ("--endpoint", self.endpoint, "--access-key", credential["access_key"])
        authority = deployment.authority(home)
        self._run("profile", "add", "site", *words, "--ca", str(authority), typed=credential["secret_key"])

    def sms(self, *arguments: str) -> Any:
        return json.loads(self._run("--profile", "site", *arguments, "--output", "json"))

    def template_with(self, password: str) -> str:
        """The id of a new template whose targets get this password."""
        file = self._home / "password"
        file.write_text(password)
        made = self.sms("template", "create", "--name", f"t{uuid4().hex[:8]}", "--password-file", str(file))
        return str(made["id"])

    def _run(self, *arguments: str, typed: str = "") -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            input=typed, capture_output=True, text=True, cwd=PROJECT, env=self._environment,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def compose_command() -> tuple[str, ...]:
    return ("docker-compose",) if shutil.which("docker-compose") else ("docker", "compose")
