"""Who speaks for an agent of HTTP: the user whose key registered it, and nobody else."""

from __future__ import annotations

import concurrent.futures
import time
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import SmsClient

from contracts.errors import MigrationError
from contracts.messages.identity import CreateCredential, CredentialSecret
from contracts.messages.policy import SetAttachment
from contracts.messages.reply import Accepted
from contracts.messages.server_log import CollectServerLog, ReadServerLog, ServerLogPart
from contracts.messages.task import Phase, TaskAction
from contracts.messages.user import CreateUser, UserView
from tests.api.bench import ApiBench
from tests.api.scripted_host import ScriptedHost
from tests.api.sdk import agent_life, sources_life
from tests.api.tasks import Tasks

UNKNOWN_SERVER = (404, "SMS.REGISTRY.SERVER_NOT_FOUND")
UNKNOWN_TASK = (404, "SMS.TASK.NOT_FOUND")


def user_key(api: ApiBench, name: str, policy: str) -> tuple[str, str]:
    user: UserView = api.run(
        api.ask("identity", "create-user", CreateUser(idempotency_key=uuid.uuid4().hex, name=name), UserView)
    )
    attach = SetAttachment(policy_id=policy, user_id=user.id, is_attached=True)
    api.run(api.ask("identity", "set-attachment", attach, Accepted))
    key: CredentialSecret = api.run(
        api.ask("identity", "create-credential", CreateCredential(user_id=user.id), CredentialSecret)
    )
    return key.access_key, key.secret_key


@pytest.fixture(scope="module")
def agent_key(api: ApiBench) -> tuple[str, str]:
    """A key that may do what an agent does, and nothing else."""
    return user_key(api, f"agent-{uuid.uuid4().hex[:6]}", "system-sms-agent-access")


@pytest.fixture(scope="module")
def agent(api: ApiBench, agent_key: tuple[str, str]) -> SmsClient:
    return api.sdk_client(agent_key)


def refusal(work: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ClientRequestException) as error:
        work()
    return error.value.status_code, error.value.error_code


def test_an_agents_key_opens_its_own_server_and_nothing_else(
    api: ApiBench, scripted_host: ScriptedHost, agent: SmsClient, sdk_client: SmsClient
) -> None:
    server_id = agent_life.register(agent, agent_life.machine("own-1", mac="52:54:00:00:00:01"))
    foreign_id = agent_life.register(sdk_client, agent_life.machine("own-1", mac="52:54:00:00:00:01"))
    assert foreign_id != server_id
    bus_id = api.register_server("own-2", is_checked=False)
    assert refusal(lambda: sources_life.list_servers(agent)) == (403, "SMS.API.DENIED")
    assert refusal(lambda: sources_life.show_server(agent, server_id)) == (403, "SMS.API.DENIED")
    for unknown in (foreign_id, bus_id, "nobody"):
        assert refusal(lambda unknown=unknown: agent_life.command(agent, unknown)) == UNKNOWN_SERVER
        assert refusal(lambda unknown=unknown: agent_life.report_disks(agent, unknown)) == UNKNOWN_SERVER
        assert refusal(lambda unknown=unknown: agent_life.report_state(agent, unknown, "syncing")) == UNKNOWN_SERVER
        assert refusal(lambda unknown=unknown: agent_life.report_result(agent, unknown, "START")) == UNKNOWN_SERVER
        body = agent_life.machine("own-1", id=unknown)
        assert refusal(lambda body=body: agent_life.register(agent, body)) == UNKNOWN_SERVER
    # Even who may do everything else does not speak for another user's agent.
    assert refusal(lambda: agent_life.command(sdk_client, server_id)) == UNKNOWN_SERVER


def test_another_users_task_is_as_unknown_as_none(
    api: ApiBench, scripted_host: ScriptedHost, agent: SmsClient, sdk_client: SmsClient
) -> None:
    server_id = agent_life.register(agent, agent_life.machine("task-1", mac="52:54:00:00:00:02"))
    task = Tasks(api, server_id)
    task.act(TaskAction.START)
    agent_life.await_command(agent, server_id, "START")
    for client, task_id in ((sdk_client, task.id), (agent, "nobody"), (agent, uuid.uuid4().hex)):
        for report in (
            agent_life.fetch_certificate,
            agent_life.fetch_passphrase,
            partial(agent_life.report_progress, percent=5),
            agent_life.report_consistency,
            agent_life.report_network,
        ):
            assert refusal(partial(report, client, task_id)) == UNKNOWN_TASK


def test_of_many_requests_at_once_one_gets_the_key(
    api: ApiBench, scripted_host: ScriptedHost, agent: SmsClient
) -> None:
    server_id = agent_life.register(agent, agent_life.machine("race-1", mac="52:54:00:00:00:03"))
    task = Tasks(api, server_id)
    task.act(TaskAction.START)
    agent_life.await_command(agent, server_id, "START")

    def fetch(_: int) -> str:
        try:
            return "key" if agent_life.fetch_certificate(agent, task.id).private_key else "no key"
        except ClientRequestException as error:
            return error.error_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(fetch, range(8)))
    assert found == ["SMS.AGENT.KEY_DELIVERED"] * 7 + ["key"]


def test_a_failure_that_the_agent_reports_pauses_the_task_with_its_words(
    api: ApiBench, scripted_host: ScriptedHost, agent: SmsClient
) -> None:
    server_id = agent_life.register(agent, agent_life.machine("fail-1", mac="52:54:00:00:00:04"))
    task = Tasks(api, server_id)
    task.act(TaskAction.START)
    agent_life.await_command(agent, server_id, "START")
    # With a detail: the later report in the same second would have the same signature, and so the same answer.
    wrong = refusal(lambda: agent_life.report_result(agent, server_id, "STOP", reason="too early"))
    assert wrong == (409, "SMS.AGENT.COMMAND_NOT_OPEN")
    agent_life.report_result(agent, server_id, "START", "fail", reason="disk\nfull")
    view = task.until(Phase.PAUSED)
    assert view.error is not None
    assert (view.error.code, 'says: {"reason": "disk' in view.error.cause) == ("SMS.AGENT.REPORTED_FAILURE", True)
    assert "\n" not in view.error.cause
    # Said again, it changes nothing: the answer may have been lost.
    agent_life.report_result(agent, server_id, "START", "fail", reason="again")
    assert agent_life.command(agent, server_id).command_name == "TASK_NOT_STARTED"
    task.act(TaskAction.START)
    agent_life.await_command(agent, server_id, "START")
    task.act(TaskAction.STOP)
    agent_life.await_command(agent, server_id, "STOP", after="START")
    agent_life.report_result(agent, server_id, "STOP")
    assert task.until(Phase.PAUSED).error is not None
    assert agent_life.command(agent, server_id).command_name == "TASK_HAS_STOPPED"
    progress = refusal(lambda: agent_life.report_progress(agent, task.id, 5))
    assert progress == (409, "SMS.AGENT.COMMAND_NOT_OPEN")


def test_a_verification_without_a_result_fails(api: ApiBench, scripted_host: ScriptedHost, agent: SmsClient) -> None:
    server_id = agent_life.register(agent, agent_life.machine("verify-1", mac="52:54:00:00:00:05"))
    task = Tasks(api, server_id)
    task.act(TaskAction.START)
    agent_life.copy(agent, server_id, task.id)
    task.until(Phase.LAUNCHED)
    task.act(TaskAction.VERIFY)
    agent_life.await_command(agent, server_id, "SYNC")
    agent_life.report_result(agent, server_id, "SYNC")
    view = task.until(Phase.LAUNCHED)
    assert view.error is not None
    assert view.error.code == "SMS.AGENT.NO_CONSISTENCY_RESULT"


def test_progress_of_an_agent_shows_in_lists_and_with_its_task(
    api: ApiBench, scripted_host: ScriptedHost, agent: SmsClient, sdk_client: SmsClient
) -> None:
    server_id = agent_life.register(agent, agent_life.machine("progress-1", mac="52:54:00:00:00:06"))
    task = Tasks(api, server_id)
    task.act(TaskAction.START)
    agent_life.await_command(agent, server_id, "START")
    deadline = time.monotonic() + 15
    while True:
        agent_life.report_progress(agent, task.id, 25, total=4 * agent_life.GIB)
        shown = sources_life.list_servers(sdk_client, id=server_id).source_servers[0]
        view = task.view()
        if shown.replicatesize and view.load is not None:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (shown.replicatesize, shown.totalsize) == (agent_life.GIB, 4 * agent_life.GIB)
    assert (shown.current_task.id, shown.current_task.migrate_speed) == (task.id, 320.5)
    assert (shown.current_task.remain_seconds, shown.state) == (75, "replicate")
    assert view.progress is not None
    assert (view.progress.bytes_done, view.progress.smoothed_rate_bytes_s) == (agent_life.GIB, 320.5e6 / 8)
    assert (view.load.total_cpu_percent, view.load.agent_memory_bytes) == (12.5, 120 << 20)


def test_a_log_is_asked_for_sent_and_read_masked(api: ApiBench, agent: SmsClient, agent_key: tuple[str, str]) -> None:
    server_id = agent_life.register(agent, agent_life.machine("log-1", mac="52:54:00:00:00:07"))
    collect = CollectServerLog(server_id=server_id, idempotency_key=uuid.uuid4().hex)
    log_id = api.run(api.ask("registry", "collect-log", collect, Accepted)).id
    agent_life.await_command(agent, server_id, "UPLOAD_LOG")
    path, body = f"/v3/sources/{server_id}/log", {"log_id": log_id, "log": "line 1\npassword=hunter2\n"}
    with api.client() as stranger, api.client(agent_key) as own:
        refused = stranger.put(path, json=body)
        assert (refused.status_code, refused.json()["error_code"]) == UNKNOWN_SERVER
        assert own.put(path, json=body | {"log_id": "another"}).json()["error_code"] == "SMS.AGENT.COMMAND_NOT_OPEN"
        assert own.put(path, json=body).status_code == 200
    assert agent_life.command(agent, server_id).command_name == "TASK_NOT_STARTED"
    deadline = time.monotonic() + 10
    while True:
        try:
            read = ReadServerLog(server_id=server_id, log_id=log_id)
            text = api.run(api.ask("registry", "read-log", read, ServerLogPart)).text
            break
        except MigrationError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert "line 1" in text
    assert "hunter2" not in text


def test_hostile_bodies_are_refused_by_field(api: ApiBench) -> None:
    good = {
        "name": "n",
        "ip": "192.0.2.1",
        "os_type": "LINUX",
        "os_version": "DEBIAN_11",
        "networks": [],
        "agent_version": "1",
    }
    with api.client() as client:
        for bad, word in (
            ({"ip": "no address"}, "SMS.AGENT.ADDRESS_INVALID"),
            ({"ip": None}, "SMS.AGENT.ADDRESS_INVALID"),
            ({"ip": "2001:db8::1"}, "SMS.AGENT.ADDRESS_INVALID"),
            ({"name": "a\u0000b"}, "SMS.API.INVALID_REQUEST"),
            ({"memory": -1}, "SMS.API.INVALID_REQUEST"),
            ({"memory": "2048"}, "SMS.API.INVALID_REQUEST"),
            ({"os_type": "BEOS"}, "SMS.API.INVALID_REQUEST"),
            ({"disks": [{"name": "x", "size": 1 << 70}]}, "SMS.API.INVALID_REQUEST"),
            ({"disks": [{"name": "x", "size": 1}] * 65}, "SMS.API.INVALID_REQUEST"),
            ({"networks": [{"name": "e", "ip": "1.2.3.4", "netmask": "255.0.255.0"}]}, "SMS.AGENT.ADDRESS_INVALID"),
        ):
            answer = client.post("/v3/sources", json=good | bad)
            assert (answer.status_code, answer.json()["error_code"]) == (400, word), bad
