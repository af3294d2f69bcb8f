"""Every operation of the official SDK over HTTPS, with an agent that speaks HTTP and a scripted host; the same with a
real migration is in tests/e2e/test_official_sdk.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import ListApiVersionRequest, ListTasksRequest, ShowApiVersionRequest

from tests.api.bench import ApiBench
from tests.api.scripted_host import ScriptedHost
from tests.api.sdk import agent_life, projects_life, sources_life, tasks_life
from tests.api.sdk.recording import RecordingClient, all_operations
from tests.api.test_agents_and_users import user_key


@pytest.fixture
def host(api: ApiBench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedHost]:
    scripted = ScriptedHost(api, tmp_path_factory.mktemp("sdk-host"))
    scripted.start()
    yield scripted
    scripted.stop()


def test_every_operation_of_the_official_sdk(
    api: ApiBench, host: ScriptedHost, capfd: pytest.CaptureFixture[str]
) -> None:
    client = RecordingClient(api.sdk_client())
    client.list_api_version(ListApiVersionRequest())
    client.show_api_version(ShowApiVersionRequest(version="v3"))
    projects_life.life_of_a_template(client, "every-template")
    projects_life.life_of_a_project(client, "every-project")
    projects_life.small_operations(client)
    life_of_a_task(client)
    with capfd.disabled():
        print(f"\n  {len(client.succeeded)}/{len(all_operations())} operations")  # noqa: T201 - a figure for people
    assert len(all_operations()) == 49
    assert all_operations() - client.succeeded == set()


def life_of_a_task(client: RecordingClient) -> None:
    server_id = agent_life.begin_life(client, "every-agent")
    wait_until(lambda: bool(sources_life.show_server(client, server_id).checks))
    sources_life.look_at_and_rename(client, server_id, "every-server")
    task_id = tasks_life.create(client, server_id, "every-task")
    assert tasks_life.ids(client, id=task_id) == (1, [task_id])
    tasks_life.update(client, task_id, name="every-task-2")
    tasks_life.limit(client, task_id, ("08:00", "18:00", 100))
    assert tasks_life.limits(client, task_id) == [("08:00", "18:00", 100)]
    tasks_life.configure(client, task_id, DYNAMIC_PORT="true")
    assert tasks_life.configuration(client, task_id) == {"DYNAMIC_PORT": "true"}
    tasks_life.operate(client, task_id, "start")
    agent_life.copy(client, server_id, task_id)
    wait_until(lambda: tasks_life.show(client, task_id).state == "MIGRATE_SUCCESS")
    assert tasks_life.consistency(client, task_id)[0]["check_result"] == "consistent"
    assert task_id in tasks_life.exported(client, "en-us", task_id).decode("utf-8-sig")
    tasks_life.collect_log(client, task_id)
    # The log is brought by our own operation on servers' logs; the vendor's has an object store for it.
    assert agent_life.command(client, server_id).command_name == "UPLOAD_LOG"
    tasks_life.delete(client, task_id)
    agent_life.await_command(client, server_id, "DELETE")
    agent_life.report_result(client, server_id, "DELETE")
    wait_until(lambda: tasks_life.is_gone(client, task_id))
    assert tasks_life.delete_many(client, task_id)[0]["error_code"] == "SMS.TASK.NOT_ALLOWED"
    sources_life.delete_server(client, server_id)
    sources_life.delete_servers(client, server_id)


def test_refusals_reach_the_sdk_as_its_own_exceptions(api: ApiBench) -> None:
    """401 and 404; 403 is below, 400 and 409 are in test_tasks, 503 in tests/e2e."""
    stranger = api.sdk_client((api.root[0], "not the secret"))
    with pytest.raises(ClientRequestException) as refused:
        stranger.list_tasks(ListTasksRequest())
    assert (refused.value.status_code, refused.value.error_code) == (401, "SMS.API.SIGNATURE_REFUSED")
    with pytest.raises(ClientRequestException) as unknown:
        tasks_life.show(api.sdk_client(), "unknown")
    assert (unknown.value.status_code, unknown.value.error_code) == (404, "SMS.TASK.NOT_FOUND")


def wait_until(is_there: Callable[[], bool], *, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_denial_reaches_the_sdk_with_the_action_that_is_missing(api: ApiBench) -> None:
    reader = api.sdk_client(user_key(api, "sdk-reader", "system-sms-read-only-access"))
    task_id = tasks_life.create(api.sdk_client(), api.register_server("denied-1"), "denied")
    assert tasks_life.show(reader, task_id).name == "denied"
    with pytest.raises(ClientRequestException) as denied:
        tasks_life.operate(reader, task_id, "start")
    assert (denied.value.status_code, denied.value.error_code) == (403, "SMS.API.DENIED")
    assert "sms:task:act" in denied.value.error_msg
