"""The containers of docker-compose.yml work together: an agent registers, is checked, and nothing is left over."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.compose.engine import Engine, running_engine
from tests.compose.images import PROJECT, build_all

pytestmark = [pytest.mark.docker, pytest.mark.root]

SERVICES = (
    "identity",
    "registry",
    "feasibility",
    "certificate-issuer",
    "target-provisioner",
    "task",
    "audit",
    "metering",
    "notification",
    "gateway",
)


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
        return json.loads(self.compose("exec", "-T", "identity", "sms", *arguments, "--output", "json"))

    def authority(self, folder: Path) -> Path:
        """The installation's CA, copied out as its user would."""
        path = folder / "ca.pem"
        path.write_text(self.compose("exec", "-T", "identity", "cat", "/config/ca.pem"))
        return path

    def health(self) -> dict[str, str]:
        names = {service: self.compose("ps", "-q", service).strip() for service in SERVICES}
        template = "{{.State.Health.Status}}"
        return {
            service: self.engine.run("docker", "inspect", "--format", template, container).strip()
            for service, container in names.items()
        }


def compose_command() -> tuple[str, ...]:
    return ("docker-compose",) if shutil.which("docker-compose") else ("docker", "compose")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("containers")
    with running_engine(folder / "engine") as engine:
        started_at = time.monotonic()
        build_all(engine, folder / "contexts")
        print(f"\nimages built in {time.monotonic() - started_at:.0f} s")
        found = Deployment(engine, f"smstest{free_port()}", free_port(), free_port())
        started_at = time.monotonic()
        try:
            found.compose("up", "-d", "--no-build")
            wait_until_healthy(found)
            print(f"deployment healthy in {time.monotonic() - started_at:.0f} s")
            yield found
        except Exception:
            print(found.compose("logs", "--no-color", "--tail", "30"))
            raise
        finally:
            found.compose("down", "--volumes", "--timeout", "10")
            engine.run(
                "docker", "image", "rm", "--force", "sms:test", "nats:test", "mongo:test", "sms-test-base:bookworm"
            )


def wait_until_healthy(deployment: Deployment, *, timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while set(health := deployment.health().values()) != {"healthy"}:
        assert time.monotonic() < deadline, f"not healthy: {health}"
        time.sleep(1)


def test_an_agent_registers_and_its_server_is_checked(deployment: Deployment, tmp_path: Path) -> None:
    credential = deployment.sms("credential", "create")
    secret_file = tmp_path / "secret"
    secret_file.touch(mode=0o600)
    secret_file.write_text(credential["secret_key"])
    authority = deployment.authority(tmp_path)
    agent = subprocess.Popen(
        [
            *(sys.executable, "-m", "agents.main", "run"),
            *("--bus", f"tls://127.0.0.1:{deployment.bus_port}", "--access-key", credential["access_key"]),
            *("--secret-key-file", str(secret_file), "--ca", str(authority), "--state", str(tmp_path / "state")),
        ],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "agent.log").open("wb"),
    )
    try:
        server = wait_for_check(deployment, tmp_path / "agent.log")
    finally:
        agent.terminate()
        agent.wait(30)
    assert server["connected"]
    shown = deployment.sms("server", "show", server["id"])
    assert shown["feasibility"]["checks"], "the rules have looked at the inventory"
    assert {check["result"] for check in shown["feasibility"]["checks"]} <= {"OK", "WARN", "ERROR"}
    assert shown["inventory"]["hostname"] == socket.gethostname()


def wait_for_check(deployment: Deployment, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        listed = deployment.sms("server", "list")
        if listed["count"] and listed["servers"][0]["checks"]:
            server: dict[str, Any] = listed["servers"][0]
            return server
        assert time.monotonic() < deadline, f"no checked server: {listed}\n{log.read_text()[-3000:]}"
        time.sleep(0.5)


def test_every_event_is_in_the_trace(deployment: Deployment) -> None:
    assert deployment.sms("audit", "verify")["is_intact"]
    records = deployment.sms("audit", "list")["records"]
    assert {"sms.registry.server-registered", "sms.feasibility.checked"} <= {
        one["message_type"].partition(":")[0] for one in records
    }


def test_the_published_api_is_driven_from_outside_with_a_profile(deployment: Deployment, tmp_path: Path) -> None:
    credential = deployment.sms("credential", "create")
    sms = [sys.executable, "-m", "cli"]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    endpoint = f"https://127.0.0.1:{deployment.api_port}"
    words = ["--endpoint", endpoint, "--access-key", credential["access_key"]]
    authority = deployment.authority(tmp_path)
    subprocess.run(
        [*sms, "profile", "add", "site", *words, "--ca", authority],
        input=credential["secret_key"], text=True, check=True, cwd=PROJECT, env=environment,
    )  # fmt: skip
    listed = subprocess.run(
        [*sms, "--profile", "site", "status", "--output", "json"],
        capture_output=True, text=True, check=True, cwd=PROJECT, env=environment,
    )  # fmt: skip
    status = json.loads(listed.stdout)
    assert {one["name"] for one in status["services"]} >= {service.replace("-", "_") for service in SERVICES}
    assert status["is_healthy"], status
