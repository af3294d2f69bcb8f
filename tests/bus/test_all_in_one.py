"""`sms up` on this machine: everything becomes healthy, what dies comes back, `sms down` leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.host.folders import TargetFolder
from agents.host.layers import create_launch_layer
from agents.host.machine import launch
from agents.host.points import take_point
from agents.host.processes import identify
from agents.host.replica import create_disks
from agents.host.settings import HostSettings
from cli.supervisor.plan import SERVICES
from contracts.messages.host import LaunchHostMachine
from contracts.messages.target_provisioner import DiskRequest

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Installation:
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return sms(*arguments, "--data", str(self.folder))

    def json(self, *arguments: str) -> Any:
        ended = self.run(*arguments, "--output", "json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def process(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.json("status")["services"] if one["name"] == name)
        return found


def sms(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    environment = pytest.MonkeyPatch()
    environment.setenv("SMS_POWER_DOWN_S", "1")
    running = Installation(tmp_path_factory.mktemp("all-in-one") / "data")
    started_at = time.monotonic()
    ended = running.run("up", "--detach", "--bus-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    try:
        assert ended.returncode == 0, ended.stderr
        assert time.monotonic() - started_at < 60
        yield running
    finally:
        running.run("down")
        environment.undo()


def test_status_has_the_stable_keys(installation: Installation) -> None:
    status = installation.json("status")
    assert status["is_running"]
    assert status["bus_url"].startswith("tls://127.0.0.1:")
    assert status["api_url"].startswith("https://127.0.0.1:")
    assert Path(status["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert {one["name"] for one in status["services"]} >= {"nats-server", "host-agent", *SERVICES}
    assert {one["state"] for one in status["services"]} == {"running"}
    assert all(identify(one["pid"]) for one in status["services"])


def test_a_credential_is_created_listed_and_disabled(installation: Installation) -> None:
    created = installation.json("credential", "create", "--description", "for a test")
    assert set(created) == {"access_key", "secret_key", "user"}
    listed = installation.json("credential", "list")["credentials"]
    mine = next(one for one in listed if one["access_key"] == created["access_key"])
    assert mine["is_active"]
    assert created["secret_key"] not in json.dumps(listed)
    installation.json("credential", "disable", created["access_key"])
    listed = installation.json("credential", "list")["credentials"]
    assert not next(one for one in listed if one["access_key"] == created["access_key"])["is_active"]


def test_lists_are_empty_before_an_agent_has_come(installation: Installation) -> None:
    assert installation.json("server", "list") == {"count": 0, "servers": []}
    assert installation.json("task", "list") == {"count": 0, "tasks": []}


@pytest.mark.parametrize("kind", ["server", "task"])
def test_an_unknown_id_ends_with_status_3(installation: Installation, kind: str) -> None:
    ended = installation.run(kind, "show", "nothing-of-this-name", "--output", "json")
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert "NOT_FOUND" in ended.stderr


def test_a_second_start_in_the_same_folder_is_refused(installation: Installation) -> None:
    ended = installation.run("up", "--detach")
    assert ended.returncode == 4
    assert "SMS.CLI.ALREADY_RUNNING" in ended.stderr


@pytest.mark.parametrize("name", ["nats-server", "host-agent", *SERVICES])
def test_a_killed_process_is_replaced_within_two_seconds(installation: Installation, name: str) -> None:
    before = installation.process(name)
    os.kill(before["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 2
    while (pid := state_file_pid(installation, name)) in {None, before["pid"]}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert pid is not None
    assert identify(pid)


def state_file_pid(installation: Installation, name: str) -> int | None:
    """Faster than `sms status`, so that two seconds can be measured on a busy machine."""
    state = json.loads((installation.folder / "supervisor.json").read_text())
    pid: int | None = next(one["pid"] for one in state["processes"] if one["name"] == name)
    return pid


def test_after_all_of_that_it_still_works(installation: Installation) -> None:
    created = installation.json("credential", "create")
    installation.json("credential", "disable", created["access_key"])
    verdict = installation.json("audit", "verify")
    assert verdict["is_intact"]
    assert verdict["records"] >= 2


def test_services_have_no_privileges_that_they_do_not_need(installation: Installation) -> None:
    for name in ("nats-server", *SERVICES):
        status = Path(f"/proc/{installation.process(name)['pid']}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(fields["CapEff"], 16) == 0, name
        assert fields["NoNewPrivs"] == "1", name


def test_secrets_are_readable_by_their_owner_only(installation: Installation) -> None:
    assert installation.folder.stat().st_mode & 0o077 == 0
    folder = installation.folder
    keys = [path for path in (folder / "keys").iterdir() if path.suffix != ".pub"]
    for path in [*keys, folder / "installation.json", folder / "profile.json"]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_profile_and_the_authority_are_all_that_another_machine_needs(
    installation: Installation, tmp_path: Path
) -> None:
    """As another user, with a home of his own, who cannot read the data folder."""
    key, status = installation.json("credential", "create"), installation.json("status")
    home = tmp_path / "home"
    home.mkdir()
    (home / "ca.pem").write_bytes(Path(status["ca_file"]).read_bytes())
    elsewhere: dict[str, Any] = {
        "cwd": home,
        "env": {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)},
    }
    words = ["--endpoint", status["api_url"], "--access-key", key["access_key"], "--ca", "ca.pem"]
    added = sms("profile", "add", "site", *words, input=key["secret_key"], **elsewhere)
    assert added.returncode == 0, added.stderr
    ended = sms("--profile", "site", "server", "list", "--output", "json", **elsewhere)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == installation.json("server", "list")
    shown = sms("--profile", "site", "status", "--output", "json", **elsewhere)
    assert json.loads(shown.stdout)["is_healthy"]
    without = sms("server", "list", **elsewhere)
    assert without.returncode == 3, "there is no installation in this folder"
    assert installation.run("credential", "disable", key["access_key"]).returncode == 0
    refused = sms("--profile", "site", "server", "list", **elsewhere)
    assert refused.returncode == 5
    assert "SMS.API.SIGNATURE_REFUSED" in refused.stderr


def test_no_secret_key_is_in_an_argument_an_environment_a_log_or_a_store(installation: Installation) -> None:
    folder = installation.folder
    made = installation.json("credential", "create", "--description", "canary")
    root = json.loads((folder / "keys" / "root.json").read_text())["secret_key"]
    secrets = [made["secret_key"].encode(), root.encode()]
    its_files = {folder / "keys" / "root.json", folder / "profile.json"}
    searched = 0
    for path in (path for path in folder.rglob("*") if path.is_file() and path not in its_files):
        searched += 1
        assert not any(secret in path.read_bytes() for secret in secrets), path
    mark = f"SMS_INSTALLATION={folder}".encode()
    for pid in (pid for pid in psutil.pids() if mark in environment_of(pid)):
        searched += 1
        seen = environment_of(pid) + Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not any(secret in seen for secret in secrets), pid
    assert searched > 30, "the search itself must still find what to look at"
    assert any(made["access_key"].encode() in path.read_bytes() for path in (folder / "stores").iterdir())
    installation.json("credential", "disable", made["access_key"])


def start_machine(data: Path) -> int:
    """A target machine that has nothing to boot from, and does not hear its power button."""
    folder = TargetFolder.of(data, "t1")
    create_disks(folder, (DiskRequest(name="vda", size_bytes=1 << 20),))
    take_point(folder, "p1")
    create_launch_layer(folder, layer_id="l1", point_id="p1")
    request = LaunchHostMachine(target_id="t1", layer_id="l1", cpu_count=1, memory_bytes=64 << 20, is_isolated=True)
    settings = HostSettings(data_folder=data, bus_url="", boot_probe_kernel=Path("/nonexistent"))
    record = launch(folder, request, settings)
    assert record.process is not None
    return record.process.pid


def test_down_leaves_no_process_and_the_next_start_goes_on_with_the_same_address(installation: Installation) -> None:
    before = installation.json("status")
    machine = start_machine(installation.folder)
    ended = installation.run("down")
    assert ended.returncode == 0, ended.stderr
    assert identify(machine) is None
    assert not any(identify(one["pid"]) for one in before["services"])
    mark = f"SMS_INSTALLATION={installation.folder}".encode()
    assert not [pid for pid in psutil.pids() if mark in environment_of(pid)]
    stopped = installation.json("status")
    assert not stopped["is_running"]

    assert installation.run("up", "--detach").returncode == 0
    after = installation.json("status")
    assert after["bus_url"] == before["bus_url"]
    assert Path(after["ca_file"]).read_text() == Path(before["ca_file"]).read_text()
    assert installation.json("credential", "list")["count"] >= 2


def environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_children_do_not_outlive_a_killed_supervisor(installation: Installation) -> None:
    processes = installation.json("status")["services"]
    supervisor = json.loads((installation.folder / "supervisor.json").read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while left := [one["name"] for one in processes if identify(one["pid"])]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert installation.run("up", "--detach").returncode == 0
