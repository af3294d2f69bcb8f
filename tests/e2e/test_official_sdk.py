"""The official SDK against an installation as its user has it: a user's life with a real migration, an agent's life
by HTTP, and every one of the SDK's operations."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ServerResponseException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdksms.v3 import ListApiVersionRequest, ListServersRequest, ShowApiVersionRequest, SmsClient

from tests.api.sdk import agent_life, projects_life, sources_life, tasks_life
from tests.api.sdk.recording import RecordingClient, all_operations
from tests.e2e.command_line import Installation, kill, running_agent, running_installation, wait_for
from tests.e2e.source_disks import MountedSource

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]
MBIT = 1_000_000
SLOW_MBIT_S = 16


def client_of(sms: Installation) -> SmsClient:
    """The SDK as the vendor ships it: our address, our certificate authority, the installation's first key."""
    status = sms.ask("status")
    profile = json.loads((sms.data / "profile.json").read_text())
    config = HttpConfig.get_default_config()
    config.ssl_ca_cert = status["ca_file"]
    credentials = BasicCredentials(profile["access_key"], profile["secret_key"], "project")
    builder = SmsClient.new_builder().with_http_config(config).with_credentials(credentials)
    return builder.with_endpoint(status["api_url"]).build()


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_installation(tmp_path_factory.mktemp("sdk")) as installation:
        yield installation


@pytest.mark.timeout(900)
def test_every_operation_of_the_official_sdk(
    sms: Installation, source: MountedSource, note: Callable[[str], None]
) -> None:
    client = RecordingClient(client_of(sms))
    look_around(client)
    projects_life.life_of_a_template(client, "sdk-template")
    projects_life.life_of_a_project(client, "sdk-project")
    projects_life.small_operations(client)
    life_of_an_agent(client)
    (source.root / "srv/left-out").mkdir(exist_ok=True)
    (source.root / "srv/left-out/file").write_text("stays where it is\n")
    # A state folder of its own: one inside the source may hold the key for an installation that is gone.
    agent = sms.new_agent(source.root, sms.folder / "agent-state")
    with running_agent(agent):
        life_of_a_user(client, sms, note)
    assert_unavailable_service_reaches_the_sdk(sms, client)
    done = client.succeeded
    note(f"{len(done)}/{len(all_operations())} operations")
    assert len(all_operations()) == 49
    assert all_operations() - done == set()


def look_around(client: Any) -> None:
    assert [one.id for one in client.list_api_version(ListApiVersionRequest()).versions] == ["v3"]
    assert client.show_api_version(ShowApiVersionRequest(version="v3")).status_code == 200


def life_of_an_agent(client: Any) -> None:
    """By HTTP polling. The target is real, and empty: this agent copies nothing, so the launch must fail."""
    server_id = agent_life.begin_life(client, "http-agent")
    wait_for(lambda: sources_life.show_server(client, server_id).checks, "checks of the server", timeout_s=30)
    sources_life.look_at_and_rename(client, server_id, "renamed-agent")
    task_id = tasks_life.create(client, server_id, "by-http")
    tasks_life.operate(client, task_id, "start")
    certificate = agent_life.copy(client, server_id, task_id)
    assert "BEGIN CERTIFICATE" in certificate.cert
    shown = await_rest(client, task_id)
    assert shown.state in {"MIGRATE_FAIL", "ABORT"}, shown.state
    assert json.loads(shown.error_json)["error_code"].startswith("SMS.")
    assert shown.network_check_info.migration_speed == 812.0
    [found] = tasks_life.consistency(client, task_id)
    assert found["consistency_result"][0]["dir_check"] == "/etc"
    assert [one.get("error_code") for one in tasks_life.delete_many(client, task_id, "unknown")] == [
        None,
        "SMS.TASK.NOT_FOUND",
    ]
    agent_life.end_life(client, server_id, lambda: tasks_life.is_gone(client, task_id), timeout_s=60)
    sources_life.delete_servers(client, server_id, "unknown")


def await_rest(client: Any, task_id: str) -> Any:
    deadline = time.monotonic() + 150
    while (shown := tasks_life.show(client, task_id)).state in {"READY", "RUNNING"}:
        assert time.monotonic() < deadline, (
            f"{shown.state} {shown.subtask_info} {[one.name for one in shown.sub_tasks]}"
        )
        time.sleep(0.3)
    return shown


def life_of_a_user(client: Any, sms: Installation, note: Callable[[str], None]) -> None:
    """Template, project, server, task, start, progress, speed limits, consistency result, delete."""
    server_id = sms.await_server()
    template = projects_life.create_template(client, "small", flavor="local.2c1g", disk=[])
    project = projects_life.create_project(client, "moving")
    sources_life.rename(client, server_id, "orders", migprojectid=project)
    task_id = tasks_life.create(client, server_id, "orders-1", vm_template_id=template, is_need_consistency_check=True)
    assert tasks_life.ids(client, source_server_id=server_id, state="READY", limit=10, offset=0) == (1, [task_id])
    tasks_life.update(client, task_id, name="orders-2")
    tasks_life.configure(client, task_id, MIGRATE_EXCLUDE_DIR="/srv/left-out", LINUX_CPU_LIMIT="80")
    assert tasks_life.configuration(client, task_id)["MIGRATE_EXCLUDE_DIR"] == "/srv/left-out"
    tasks_life.limit(client, task_id, ("00:00", "12:00", SLOW_MBIT_S), ("12:00", "24:00", SLOW_MBIT_S))
    tasks_life.operate(client, task_id, "start")
    follow_the_copy(client, sms, task_id, note)
    done = tasks_life.await_task(client, task_id, lambda t: t.state == "MIGRATE_SUCCESS", "launch", timeout_s=420)
    assert done.name == "orders-2"
    assert {"CREATE_CLOUD_SERVER", "MIGRATE_LINUX_FILE", "CONFIGURE_LINUX_FILE"} <= {one.name for one in done.sub_tasks}
    check_consistency(client, sms, task_id)
    tasks_life.collect_log(client, task_id)
    tasks_life.delete(client, task_id)
    wait_for(lambda: tasks_life.is_gone(client, task_id), "deleted task", timeout_s=60)
    assert tasks_life.ids(client, source_server_id=server_id) == (0, [])
    sources_life.delete_server(client, server_id)
    assert sources_life.list_servers(client, id=server_id).count == 0
    projects_life.delete_templates(client, template)


def follow_the_copy(client: Any, sms: Installation, task_id: str, note: Callable[[str], None]) -> None:
    """The limit holds on the wire, and another one acts on the copy that runs, within a second."""

    def sent() -> int:
        return int((sms.task(task_id)["progress"] or {}).get("bytes_sent", 0))

    copying = tasks_life.await_task(client, task_id, lambda t: t.remain_seconds is not None, "progress", timeout_s=90)
    assert copying.state == "RUNNING"
    assert copying.estimate_complete_time > time.time() * 1000
    wait_for(lambda: sent() > 0, "sent bytes", timeout_s=30)
    before, began = sent(), time.monotonic()
    time.sleep(6)
    slow_mbit_s = (sent() - before) * 8 / MBIT / (time.monotonic() - began)
    # Freed from its limit the copy may be over before it can be looked at once.
    before, began = sent(), time.monotonic()
    tasks_life.limit(client, task_id, ("00:00", "24:00", 0))
    assert tasks_life.limits(client, task_id) == [("00:00", "24:00", 0)]
    copied = wait_for(lambda: sms.task(task_id)["rounds"], "the end of the copy", timeout_s=60)
    free_mbit_s = (copied[0]["bytes_sent"] - before) * 8 / MBIT / (time.monotonic() - began)
    note(f"limit {SLOW_MBIT_S} Mbit/s: {slow_mbit_s:.1f} on the wire; without limit, to its end: {free_mbit_s:.1f}")
    # One frame of 4 MiB may overdraw the limit.
    assert slow_mbit_s < SLOW_MBIT_S * 1.2 + 4 * 8 * 1.05 / 6
    assert free_mbit_s > 2 * SLOW_MBIT_S


def check_consistency(client: Any, sms: Installation, task_id: str) -> None:
    """The copy was verified before it was launched; what was excluded is not there and not missed."""
    [found] = tasks_life.consistency(client, task_id)
    assert found["check_result"] == "consistent", found
    assert sum(one["num_total_files"] for one in found["consistency_result"]) > 3_000
    for language, word in (("en-us", "consistent"), ("zh-cn", "一致")):
        table = tasks_life.exported(client, language, task_id).decode("utf-8-sig")
        assert task_id in table
        assert word in table
    skipped = sms.task(task_id)["rounds"][0]["skipped_paths"]
    assert "/srv/left-out" in {one["path"] for one in skipped if one["reason"] == "excluded"}


def assert_unavailable_service_reaches_the_sdk(sms: Installation, client: Any) -> None:
    """While a service is away the SDK raises its own exception with our code; the service comes back by itself."""
    kill(sms.pids()["registry"])
    refused = None
    for _ in range(20):
        try:
            client.list_servers(ListServersRequest())
        except ServerResponseException as error:
            refused = error
            break
    assert refused is not None
    assert (refused.status_code, refused.error_code) == (503, "SMS.SERVICE.UNAVAILABLE")
    wait_for(lambda: psutil.pid_exists(sms.pids().get("registry", 0)), "registry", timeout_s=20)
