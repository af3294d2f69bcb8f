"""Tasks by the official SDK, over HTTPS, against the real services; the agents' side is in the SDK's story."""

from __future__ import annotations

import csv
import io
import json

import httpx
import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import (
    ConfigBody,
    ConfigurationRequestBody,
    DeleteTaskRequest,
    DeleteTasksReq,
    DeleteTasksRequest,
    ListTasksRequest,
    PhysicalVolumes,
    PutTaskReq,
    ShowConfigSettingRequest,
    ShowConsistencyResultRequest,
    ShowsSpeedLimitsRequest,
    SmsClient,
    SpeedLimit,
    SpeedLimitlJson,
    TargetDisks,
    TargetServerByTask,
    UpdateSpeedRequest,
    UpdateTaskRequest,
    UploadSpecialConfigurationSettingRequest,
)

from contracts.messages.reply import Accepted
from contracts.messages.task_settings import RecordConsistency
from contracts.task_settings import ConsistencyResult
from tests.api.bench import ApiBench
from tests.api.sdk import tasks_life
from tests.api.sdk.tasks_life import create, operate, show

GIB = 1 << 30


def code_of(refused: pytest.ExceptionInfo[ClientRequestException]) -> tuple[int, str]:
    return refused.value.status_code, refused.value.error_code


@pytest.fixture(scope="module")
def task(api: ApiBench, sdk_client: SmsClient) -> str:
    """A task that is not started."""
    return create(sdk_client, api.register_server("settings-1"), "settings")


@pytest.fixture(scope="module")
def free_server(api: ApiBench) -> str:
    """A server without a task."""
    return api.register_server("free-1")


def test_a_task_is_made_as_its_user_said(api: ApiBench, sdk_client: SmsClient) -> None:
    server_id = api.register_server("made-1")
    disk = TargetDisks(name="disk 0", size=100 * GIB, physical_volumes=[PhysicalVolumes(name="/dev/sda1", size=0)])
    task_id = create(
        sdk_client,
        server_id,
        "迁移_1",
        priority=2,
        speed_limit=80,
        over_speed_threshold=12.5,
        is_need_consistency_check=True,
        migration_ip="192.0.2.7",
        target_server=TargetServerByTask(name="new-web", vm_id="", disks=[disk]),
    )
    found = show(sdk_client, task_id)
    assert (found.name, found.type, found.state, found.priority) == ("迁移_1", "MIGRATE_FILE", "READY", 2)
    assert (found.speed_limit, found.migration_ip, found.region_id) == (80, "192.0.2.7", "local")
    assert (found.source_server.id, found.source_server.name) == (server_id, "made-1")
    assert (found.target_server.name, found.target_server.disks[0].size) == ("new-web", 100 * GIB)
    assert found.target_server.disks[0].os_disk
    assert found.connected
    assert found.create_date > 1_600_000_000_000


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"os_type": "WINDOWS"}, "Windows"),
        ({"exist_server": True}, "exists"),
        ({"syncing": True}, "syncing"),
        ({"start_target_server": False}, "start_target_server"),
        ({"need_migration_test": True}, "need_migration_test"),
        ({"clonevm_template_id": "t"}, "clonevm_template_id"),
    ],
)
def test_what_this_version_cannot_do_is_refused_by_name(
    sdk_client: SmsClient, fields: dict[str, object], word: str
) -> None:
    with pytest.raises(ClientRequestException) as refused:
        create(sdk_client, "s-any", **fields)
    assert code_of(refused) == (409, "SMS.TASK.NOT_OFFERED")
    assert word in refused.value.error_msg


def test_block_level_is_refused_with_its_own_code(free_server: str, sdk_client: SmsClient) -> None:
    with pytest.raises(ClientRequestException) as refused:
        create(sdk_client, free_server, type="MIGRATE_BLOCK")
    assert refused.value.error_code == "SMS.TASK.BLOCK_LEVEL"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"name": "two words"}, 400, "SMS.TASK.SETTING_INVALID"),
        ({"priority": 3}, 400, "SMS.TASK.SETTING_INVALID"),
        ({"speed_limit": 1001}, 400, "SMS.API.INVALID_REQUEST"),
        ({"over_speed_threshold": -1.0}, 400, "SMS.TASK.SETTING_INVALID"),
        ({"type": "MIGRATE_ALL"}, 400, "SMS.API.INVALID_REQUEST"),
        ({"priority": "high"}, 400, "SMS.API.INVALID_REQUEST"),
    ],
)
def test_a_wrong_field_is_named(
    free_server: str, sdk_client: SmsClient, fields: dict[str, object], status: int, code: str
) -> None:
    with pytest.raises(ClientRequestException) as refused:
        create(sdk_client, free_server, **{"name": "ok", **fields})
    assert code_of(refused) == (status, code)
    field = next(iter(fields)).split("_")[0]
    assert field in refused.value.error_msg


def test_an_unknown_task_is_not_found_whatever_is_asked(sdk_client: SmsClient) -> None:
    asked = (
        lambda: show(sdk_client, "unknown"),
        lambda: operate(sdk_client, "unknown", "start"),
        lambda: sdk_client.delete_task(DeleteTaskRequest(task_id="unknown")),
        lambda: sdk_client.shows_speed_limits(ShowsSpeedLimitsRequest(task_id="unknown")),
        lambda: sdk_client.show_config_setting(ShowConfigSettingRequest(task_id="unknown")),
        lambda: sdk_client.show_consistency_result(ShowConsistencyResultRequest(task_id="unknown")),
        lambda: sdk_client.update_task(UpdateTaskRequest(task_id="unknown", body=PutTaskReq(name="x"))),
    )
    for ask in asked:
        with pytest.raises(ClientRequestException) as refused:
            ask()
        assert code_of(refused) == (404, "SMS.TASK.NOT_FOUND")


def test_lists_page_and_filter(api: ApiBench, sdk_client: SmsClient) -> None:
    made = [
        create(sdk_client, api.register_server(f"paged-{number}"), f"paged-{number}", speed_limit=number)
        for number in range(4)
    ]

    def ids(**filters: object) -> tuple[int, list[str]]:
        found = sdk_client.list_tasks(ListTasksRequest(**filters))
        return found.count, [one.id for one in found.tasks]

    count, everything = ids(name="paged-")
    assert count == 4
    assert sorted(everything) == sorted(made)
    assert ids(name="paged-", limit=2, offset=1) == (4, everything[1:3])
    assert ids(name="paged-", limit=2, offset=3) == (4, everything[3:])
    assert ids(id=made[3]) == (1, [made[3]])
    assert ids(name="paged-", state="READY")[0] == 4
    assert ids(name="paged-", state="RUNNING") == (0, [])
    assert ids(name="nothing is called so") == (0, [])
    server_id = show(sdk_client, made[2]).source_server.id
    assert ids(source_server_id=server_id) == (1, [made[2]])
    assert ids(source_server_id=server_id, id=made[1]) == (0, [])
    assert ids(enterprise_project_id="another") == (0, [])


def test_a_state_that_there_is_not_is_refused(sdk_client: SmsClient) -> None:
    with pytest.raises(ClientRequestException) as refused:
        sdk_client.list_tasks(ListTasksRequest(state="RUNNIGN"))
    assert code_of(refused) == (400, "SMS.API.INVALID_REQUEST")


def test_an_update_changes_what_it_names_and_leaves_the_rest(sdk_client: SmsClient, task: str) -> None:
    body = PutTaskReq(name="renamed", speed_limit=7, migration_ip="192.0.2.9")
    sdk_client.update_task(UpdateTaskRequest(task_id=task, body=body))
    found = show(sdk_client, task)
    assert (found.name, found.speed_limit, found.migration_ip, found.region_id) == ("renamed", 7, "192.0.2.9", "local")
    with pytest.raises(ClientRequestException) as refused:
        sdk_client.update_task(UpdateTaskRequest(task_id=task, body=PutTaskReq(snapshot_ids="a;b")))
    assert refused.value.error_code == "SMS.TASK.NOT_OFFERED"


def test_limits_by_the_time_of_the_day_are_kept_in_order_and_shown(sdk_client: SmsClient, task: str) -> None:
    periods = [
        SpeedLimitlJson(start="18:00", end="08:00", speed=0),
        SpeedLimitlJson(start="08:00", end="18:00", speed=100, over_speed_threshold=10.0),
    ]
    sdk_client.update_speed(UpdateSpeedRequest(task_id=task, body=SpeedLimit(speed_limit=periods)))
    found = sdk_client.shows_speed_limits(ShowsSpeedLimitsRequest(task_id=task)).speed_limit
    assert [(p.start, p.end, p.speed, p.over_speed_threshold) for p in found] == [
        ("08:00", "18:00", 100, 10.0),
        ("18:00", "08:00", 0, None),
    ]


def test_overlapping_limits_are_refused_and_the_old_ones_stay(sdk_client: SmsClient, task: str) -> None:
    before = sdk_client.shows_speed_limits(ShowsSpeedLimitsRequest(task_id=task)).to_json_object()
    periods = [SpeedLimitlJson(start="08:00", end="10:00", speed=1), SpeedLimitlJson(start="09:59", end="11:00")]
    with pytest.raises(ClientRequestException) as refused:
        sdk_client.update_speed(UpdateSpeedRequest(task_id=task, body=SpeedLimit(speed_limit=periods)))
    assert code_of(refused) == (400, "SMS.TASK.SPEED_OVERLAP")
    assert sdk_client.shows_speed_limits(ShowsSpeedLimitsRequest(task_id=task)).to_json_object() == before


def test_settings_are_kept_and_say_whether_they_act(sdk_client: SmsClient, task: str) -> None:
    settings = [
        ConfigBody(config_key="MIGRATE_EXCLUDE_DIR", config_value="/var/cache"),
        ConfigBody(config_key="LINUX_CPU_LIMIT", config_value="50"),
    ]
    body = ConfigurationRequestBody(configurations=settings)
    sdk_client.upload_special_configuration_setting(UploadSpecialConfigurationSettingRequest(task_id=task, body=body))
    found = sdk_client.show_config_setting(ShowConfigSettingRequest(task_id=task))
    assert found.migrate_type == "LINUX_MIGRATE_FILE"
    assert [(c.config_key, c.config_value, c.config_status) for c in found.configurations] == [
        ("LINUX_CPU_LIMIT", "50", "ACTIVE"),
        ("MIGRATE_EXCLUDE_DIR", "/var/cache", "ACTIVE"),
    ]
    one = sdk_client.show_config_setting(ShowConfigSettingRequest(task_id=task, config_key="LINUX_CPU_LIMIT"))
    assert [c.config_key for c in one.configurations] == ["LINUX_CPU_LIMIT"]


def test_all_settings_of_a_request_are_taken_or_none(sdk_client: SmsClient, task: str) -> None:
    before = sdk_client.show_config_setting(ShowConfigSettingRequest(task_id=task)).to_json_object()
    settings = [
        ConfigBody(config_key="DYNAMIC_PORT", config_value="true"),
        ConfigBody(config_key="NO_SUCH_KEY", config_value="1"),
    ]
    request = UploadSpecialConfigurationSettingRequest(
        task_id=task, body=ConfigurationRequestBody(configurations=settings)
    )
    with pytest.raises(ClientRequestException) as refused:
        sdk_client.upload_special_configuration_setting(request)
    assert code_of(refused) == (400, "SMS.TASK.SETTING_UNKNOWN")
    assert sdk_client.show_config_setting(ShowConfigSettingRequest(task_id=task)).to_json_object() == before


def test_consistency_results_are_shown_and_exported_in_both_languages(api: ApiBench, sdk_client: SmsClient) -> None:
    task_id = create(sdk_client, api.register_server("=HYPERLINK(1)"), "consistency")
    assert sdk_client.show_consistency_result(ShowConsistencyResultRequest(task_id=task_id)).result_list == []
    results = (
        ConsistencyResult(directory="/etc", files=100),
        ConsistencyResult(directory="=1+1", files=20, different=1, missing=2, extra=3),
    )
    message = RecordConsistency(idempotency_key="result-1", task_id=task_id, results=results)
    api.run(api.ask("task", "record-consistency", message, Accepted))
    [text] = sdk_client.show_consistency_result(ShowConsistencyResultRequest(task_id=task_id)).result_list
    found = json.loads(text)
    assert found["check_result"] == "inconsistent"
    assert found["consistency_result"][1] == {
        "dir_check": "=1+1",
        "num_total_files": 20,
        "num_different_files": 1,
        "num_target_miss_files": 2,
        "num_target_more_files": 3,
    }
    unchecked = create(sdk_client, api.register_server("unchecked-1"), "unchecked")
    tables = {language: exported(sdk_client, language, task_id, unchecked) for language in ("en-us", "zh-cn")}
    head, etc, odd, none = tables["en-us"]
    assert head[3] == "Directory"
    assert tables["zh-cn"][0][3] == "目录"
    assert tables["zh-cn"][3][-1] == "未校验"
    assert etc[3:] == ["/etc", "100", "0", "0", "0", "inconsistent"]
    # A spreadsheet must not take a folder or a server of the source for a formula.
    assert (odd[2], odd[3]) == ("'=HYPERLINK(1)", "'=1+1")
    assert (none[0], none[-1]) == (unchecked, "not checked")


def exported(client: SmsClient, language: str, *task_ids: str) -> list[list[str]]:
    content = tasks_life.exported(client, language, *task_ids)
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.parametrize("word", ["test", "clone_test", "migration_test", "clear"])
def test_operations_that_this_version_lacks_are_refused_never_accepted(
    sdk_client: SmsClient, task: str, word: str
) -> None:
    with pytest.raises(ClientRequestException) as refused:
        operate(sdk_client, task, word)
    assert code_of(refused) == (409, "SMS.TASK.NOT_OFFERED")
    assert show(sdk_client, task).state == "READY"


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("restart", 409, "SMS.TASK.NOT_ALLOWED"),
        ("stop", 409, "SMS.TASK.NOT_ALLOWED"),
        ("error_for_overspeed", 409, "SMS.TASK.NOT_ALLOWED"),
        ("skip", 409, "SMS.TASK.NOTHING_TO_SKIP"),
        ("cutover", 409, "SMS.TASK.NO_POINT"),
        ("explode", 400, "SMS.TASK.OPERATION_UNKNOWN"),
    ],
)
def test_operations_that_are_not_possible_now_say_why(
    sdk_client: SmsClient, task: str, word: str, status: int, code: str
) -> None:
    with pytest.raises(ClientRequestException) as refused:
        operate(sdk_client, task, word)
    assert code_of(refused) == (status, code)


def test_a_start_without_consent_is_refused_with_the_disks(signed: httpx.Client, task: str) -> None:
    answer = signed.post(f"/v3/tasks/{task}/action", json={"operation": "start", "has_consent": False})
    assert (answer.status_code, answer.json()["error_code"]) == (409, "SMS.TASK.NO_CONSENT")
    assert "vda" in answer.json()["cause"]


def test_a_task_with_auto_start_runs(api: ApiBench, sdk_client: SmsClient) -> None:
    task_id = create(sdk_client, api.register_server("auto-1"), "auto", auto_start=True)
    found = show(sdk_client, task_id)
    assert found.state == "RUNNING"
    assert found.sub_tasks[0].name == "CREATE_CLOUD_SERVER"
    assert found.sub_tasks[0].user_op == "start"
    assert found.subtask_info.startswith("CREATE_CLOUD_SERVER")


def test_many_tasks_are_deleted_each_on_its_own(api: ApiBench, sdk_client: SmsClient, signed: httpx.Client) -> None:
    made = [create(sdk_client, api.register_server(f"many-{number}"), f"many-{number}") for number in range(2)]
    answer = signed.post("/v3/tasks/delete", json={"ids": [made[0], "unknown", made[1], made[0]]})
    assert answer.status_code == 200
    assert [(one["id"], one.get("error_code")) for one in answer.json()["tasks"]] == [
        (made[0], None),
        ("unknown", "SMS.TASK.NOT_FOUND"),
        (made[1], None),
    ]
    deleted_again = sdk_client.delete_tasks(DeleteTasksRequest(body=DeleteTasksReq(ids=made)))
    assert "SMS.TASK.NOT_ALLOWED" in deleted_again.body
    for task_id in made:
        try:
            assert show(sdk_client, task_id).state == "DELETING"
        except ClientRequestException as gone:
            assert gone.status_code == 404  # noqa: PT017 - it may have ended already
