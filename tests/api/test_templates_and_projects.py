"""Templates, migration projects, waves and the small operations over HTTPS: the official SDK, and hostile clients."""

from __future__ import annotations

import json
import time
import uuid

import httpx
import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import SmsClient, TemplateRequest

from contracts.messages.wave import WaveDetails, WaveList, WaveOutcome
from tests.api.bench import ApiBench
from tests.api.sdk import projects_life, sources_life

CANARY = "canary-91cc"


def test_a_template_lives_through_the_sdk(sdk_client: SmsClient) -> None:
    projects_life.life_of_a_template(sdk_client, "sdk-template")


def test_a_project_lives_through_the_sdk(sdk_client: SmsClient) -> None:
    projects_life.life_of_a_project(sdk_client, "sdk-project")


def test_the_small_operations_answer_the_sdk(sdk_client: SmsClient) -> None:
    projects_life.small_operations(sdk_client)


@pytest.mark.parametrize(
    ("code", "status", "operate"),
    [
        ("SMS.TEMPLATE.NOT_FOUND", 404, lambda sdk: projects_life.show_template(sdk, "nothing")),
        ("SMS.TEMPLATE.NOT_FOUND", 404, lambda sdk: projects_life.delete_template(sdk, "nothing")),
        ("SMS.TEMPLATE.NOT_FOUND", 404, lambda sdk: projects_life.target_password(sdk, "nothing")),
        (
            "SMS.TEMPLATE.NOT_FOUND",
            404,
            lambda sdk: projects_life.update_template(sdk, "nothing", TemplateRequest(name="n")),
        ),
        ("SMS.TEMPLATE.INVALID", 400, lambda sdk: projects_life.create_template(sdk, "no blanks")),
        (
            "SMS.TEMPLATE.FLAVOR_UNKNOWN",
            400,
            lambda sdk: projects_life.create_template(sdk, "n", flavor="s6.large.2"),
        ),
        ("SMS.PROJECT.NOT_FOUND", 404, lambda sdk: projects_life.show_project(sdk, "nothing")),
        ("SMS.PROJECT.NOT_FOUND", 404, lambda sdk: projects_life.make_default(sdk, "nothing")),
        ("SMS.PROJECT.NOT_FOUND", 404, lambda sdk: projects_life.delete_project(sdk, "nothing")),
        ("SMS.API.INVALID_REQUEST", 400, lambda sdk: projects_life.create_project(sdk, "n", type="MIGRATE_TAPE")),
        ("SMS.API.INVALID_REQUEST", 400, lambda sdk: projects_life.create_project(sdk, "n", speed_limit=1001)),
        ("SMS.API.INVALID_REQUEST", 400, lambda sdk: projects_life.list_templates(sdk, limit=1001)),
        ("SMS.API.INVALID_REQUEST", 400, lambda sdk: projects_life.list_errors(sdk, offset=-1)),
    ],
)
def test_a_refusal_reaches_the_sdk_with_its_code(sdk_client: SmsClient, code: str, status: int, operate) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ClientRequestException) as refused:
        operate(sdk_client)
    assert (refused.value.error_code, refused.value.status_code) == (code, status)


def test_the_default_project_stays_and_a_project_with_servers_too(api: ApiBench, sdk_client: SmsClient) -> None:
    default = next(one for one in projects_life.list_projects(sdk_client).values() if one.isdefault)
    with pytest.raises(ClientRequestException) as refused:
        projects_life.delete_project(sdk_client, default.id)
    assert refused.value.error_code == "SMS.PROJECT.IS_DEFAULT"
    made = projects_life.create_project(sdk_client, "full-house")
    server_id = api.register_server("full-house-1")
    sources_life.rename(sdk_client, server_id, "full-house-1", migprojectid=made)
    assert projects_life.list_projects(sdk_client)["full-house"].exist_server is True
    elsewhere = api.register_server("full-house-2")
    found = {project: _ids(sdk_client, project) for project in (made, default.id, "nothing")}
    assert (found[made], server_id in found[default.id], elsewhere in found[default.id]) == ([server_id], False, True)
    assert found["nothing"] == []
    with pytest.raises(ClientRequestException) as refused:
        sources_life.rename(sdk_client, server_id, "full-house-1", migprojectid="nothing")
    assert refused.value.error_code == "SMS.PROJECT.NOT_FOUND"
    with pytest.raises(ClientRequestException) as refused:
        projects_life.delete_project(sdk_client, made)
    assert refused.value.error_code == "SMS.PROJECT.HAS_SERVERS"
    sources_life.delete_server(sdk_client, server_id)
    time.sleep(1.1)  # within the second the SDK signs the same again, and that gets the first answer again
    projects_life.delete_project(sdk_client, made)


def _ids(sdk_client: SmsClient, project_id: str) -> list[str]:
    servers = sources_life.list_servers(sdk_client, migproject=project_id, name="full-house").source_servers
    return [server.id for server in servers]


def test_a_page_of_templates_is_as_long_as_it_was_asked_for(sdk_client: SmsClient) -> None:
    made = [projects_life.create_template(sdk_client, f"page-{number}") for number in range(5)]
    page = projects_life.list_templates(sdk_client, name="page-", limit=2, offset=1)
    assert (page.count, len(page.templates)) == (5, 2)
    assert {one.id for one in projects_life.list_templates(sdk_client, name="page-", limit=0).templates} == set(made)
    deleted = projects_life.delete_templates(sdk_client, *made, "nothing")
    assert [one["deleted"] for one in deleted] == [True] * 5 + [False]
    assert deleted[-1]["error_code"] == "SMS.TEMPLATE.NOT_FOUND"


def test_a_password_is_in_no_answer_but_its_own(signed: httpx.Client) -> None:
    body = {"template": {"name": "secret", "target_password": CANARY}}
    created = signed.post("/v3/vm/templates", json=body)
    path = f"/v3/vm/templates/{created.json()['id']}"
    answers = [created, signed.get(path), signed.get("/v3/vm/templates?limit=1000"), signed.put(path, json=body)]
    assert not [answer for answer in answers if CANARY in answer.text]
    assert signed.get(path).json()["template"]["has_target_password"] is True
    assert signed.get(f"{path}/target-password").json()["target_password"] == CANARY
    refused = signed.put(path, json={"template": {"name": "secret", "target_password": f"{CANARY}\n"}})
    assert (refused.status_code, CANARY in refused.text) == (400, False)
    refused = signed.put(path, json={"template": {"name": "secret", "target_password": [CANARY]}})
    assert (refused.status_code, CANARY in refused.text) == (400, False)
    signed.delete(path)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"template": {}},
        {"template": {"name": 7}},
        {"template": {"name": "n", "disk": [{"index": 0}]}},
        {"template": {"name": "n", "disk": [{"index": 0, "name": "d", "disktype": "SAS", "size": "40"}]}},
        {"template": {"name": "n", "nics": [{"id": "i", "name": "n", "cidr": "c"}] * 65}},
        {"template": {"name": "n" * 256}},
    ],
)
def test_a_body_that_does_not_fit_is_refused(signed: httpx.Client, body: object) -> None:
    answer = signed.post("/v3/vm/templates", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "SMS.API.INVALID_REQUEST")


def test_a_wave_is_made_checked_started_and_stopped_over_the_api(api: ApiBench, signed: httpx.Client) -> None:
    tag = uuid.uuid4().hex[:8]
    server_id = api.register_server(f"wave-{tag}")
    tagged = signed.put(f"/v3/sources/{server_id}/tags", json={"tags": [{"key": "wave", "value": tag}]})
    assert tagged.status_code == 200, tagged.text
    made = signed.post("/v3/waves", json={"name": f"wave-{tag}", "tags": {"wave": tag}})
    assert made.status_code == 201, made.text
    path = f"/v3/waves/{made.json()['id']}"
    checked = WaveOutcome.model_validate_json(signed.get(f"{path}/check").content)
    assert [(item.server_id, item.outcome) for item in checked.items] == [(server_id, "done")], checked
    refused = signed.post(f"{path}/action", json={"action": "start"})
    assert refused.json()["error_code"] == "SMS.WAVE.NO_CONSENT"
    started = signed.post(f"{path}/action", json={"action": "start", "has_consent": True})
    assert [item["outcome"] for item in started.json()["items"]] == ["done"], started.text
    assert signed.put(f"{path}/speed-limit", json={"rate_limit_bit_s": 8_000_000}).json()["items"]
    stopped = signed.post(f"{path}/action", json={"action": "stop"})
    assert stopped.status_code == 200
    wave = WaveDetails.model_validate_json(signed.get(path).content).wave
    assert (wave.servers, wave.rows[0].server_id, wave.rate_limit_bit_s) == (1, server_id, 8_000_000)
    assert wave.rows[0].task_id
    listed = WaveList.model_validate_json(signed.get("/v3/waves").content)
    assert wave.id in [one.id for one in listed.waves]
    assert signed.put(path, json={"max_running": 0}).json()["error_code"] == "SMS.WAVE.INVALID"
    assert signed.delete(path).status_code == 200
    assert json.loads(signed.get(path).content)["error_code"] == "SMS.WAVE.NOT_FOUND"
