"""The containers of docker-compose.yml work together: an agent registers, is checked, and nothing is lost."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.compose.deployment import CONTAINERS, Deployment, Outside
from tests.compose.images import PROJECT

pytestmark = [pytest.mark.docker, pytest.mark.root]

CANARY = "Kept-under-seal-2026!"


def test_an_agent_registers_and_its_server_is_checked(deployment: Deployment, tmp_path: Path) -> None:
    with running_agent(deployment, deployment.new_user("SMS AgentAccess"), tmp_path) as log:
        server = wait_for_check(deployment, log)
    assert server["connected"]
    shown = deployment.sms("server", "show", server["id"])
    assert shown["feasibility"]["checks"], "the rules have looked at the inventory"
    assert {check["result"] for check in shown["feasibility"]["checks"]} <= {"OK", "WARN", "ERROR"}
    assert shown["inventory"]["hostname"] == socket.gethostname()


def test_every_event_is_in_the_trace(deployment: Deployment) -> None:
    assert deployment.sms("audit", "verify")["is_intact"]
    records = deployment.sms("audit", "list")["records"]
    assert {"sms.registry.server-registered", "sms.feasibility.checked"} <= {
        one["message_type"].partition(":")[0] for one in records
    }


def test_the_published_api_is_driven_from_outside_with_a_key_of_ones_own(
    deployment: Deployment, tmp_path: Path
) -> None:
    outside = Outside(deployment, tmp_path, deployment.sms("credential", "create"))
    status = outside.sms("status")
    assert {one["name"] for one in status["services"]} == set(CONTAINERS)
    assert status["is_healthy"], status
    assert [server["hostname"] for server in outside.sms("server", "list")["servers"]] == [socket.gethostname()]


def test_the_first_key_works_outside_as_inside(deployment: Deployment, tmp_path: Path) -> None:
    profile = json.loads(deployment.compose("exec", "-T", "identity", "cat", "/config/profile.json"))
    outside = Outside(deployment, tmp_path, profile)
    assert outside.sms("server", "list") == deployment.sms("server", "list")
    assert deployment.sms("status")["api_url"] == outside.endpoint, "the address that others are told"


def test_what_is_kept_outlives_the_containers(deployment: Deployment, tmp_path: Path) -> None:
    """Seals open what was sealed before, the trace continues under the same key, the bus has its streams."""
    credential = deployment.new_user()
    outside = Outside(deployment, tmp_path, credential)
    before = outside.sms("server", "list")
    template = outside.template_with(CANARY)
    logs = deployment.compose("logs", "--no-color")
    assert CANARY not in logs
    assert credential["secret_key"] not in logs
    deployment.compose("down", "--timeout", "20")
    deployment.compose("up", "-d", "--no-build")
    deployment.wait_until_healthy()
    assert [one["id"] for one in outside.sms("server", "list")["servers"]] == [one["id"] for one in before["servers"]]
    assert outside.sms("template", "password", template)["target_password"] == CANARY
    assert outside.sms("audit", "verify")["is_intact"]


@contextmanager
def running_agent(deployment: Deployment, credential: dict[str, Any], folder: Path) -> Iterator[Path]:
    """An agent on this machine; yields its log."""
    secret_file = folder / "secret"
    secret_file.touch(mode=0o600)
    secret_file.write_text(credential["secret_key"])
    log = folder / "agent.log"
    agent = subprocess.Popen(
        [
            *(sys.executable, "-m", "agents.main", "run"),
            *("--bus", f"tls://127.0.0.1:{deployment.bus_port}", "--access-key", credential["access_key"]),
            *("--secret-key-file", str(secret_file), "--ca", str(deployment.authority(folder))),
            *("--state", str(folder / "state")),
        ],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=log.open("wb"),
    )
    try:
        yield log
    finally:
        agent.terminate()
        agent.wait(30)


def wait_for_check(deployment: Deployment, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        listed = deployment.sms("server", "list")
        if listed["count"] and listed["servers"][0]["checks"]:
            server: dict[str, Any] = listed["servers"][0]
            return server
        assert time.monotonic() < deadline, f"no checked server: {listed}\n{log.read_text()[-3000:]}"
        time.sleep(0.5)
