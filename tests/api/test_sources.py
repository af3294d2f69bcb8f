"""Source servers over HTTPS, by the official SDK and by plain requests."""

from __future__ import annotations

import json

import httpx
import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksms.v3 import PutDisk, SmsClient

from tests.api.bench import ApiBench
from tests.api.sdk import sources_life


def test_a_user_finds_looks_at_and_renames_a_server(api: ApiBench, sdk_client: SmsClient) -> None:
    server_id = api.register_server("life-1")
    sources_life.look_at_and_rename(sdk_client, server_id, "front desk")


def test_a_list_pages_filters_and_counts_as_the_sdk_says(api: ApiBench, sdk_client: SmsClient) -> None:
    ids = [api.register_server(f"page-{number}", is_checked=False) for number in range(3)]
    page = sources_life.list_servers(sdk_client, name="page-", limit=2)
    assert (page.count, [server.id for server in page.source_servers]) == (3, ids[:2])
    page = sources_life.list_servers(sdk_client, name="page-", limit=2, offset=2)
    assert (page.count, [server.id for server in page.source_servers]) == (3, ids[2:])
    server = page.source_servers[0]
    assert (server.os_type, server.connected, server.migration_cycle in {"checking", "setting"}) == (
        "LINUX",
        True,
        True,
    )
    assert server.add_date > 1_700_000_000_000
    assert server.init_target_server.disks[0].device_use == "OS"
    assert sources_life.list_servers(sdk_client, name="page-", connected=False).count == 0
    assert sources_life.list_servers(sdk_client, name="page-", is_consistency_result_exist=False).count == 3
    assert sources_life.list_servers(sdk_client, name="page-", enterprise_project_id="other").count == 0
    assert sources_life.list_servers(sdk_client, name="page-", limit=0).count == 3


def test_a_word_that_no_filter_knows_is_a_typed_error_with_our_code(sdk_client: SmsClient) -> None:
    with pytest.raises(ClientRequestException) as error:
        sources_life.list_servers(sdk_client, state="asleep")
    assert (error.value.status_code, error.value.error_code) == (400, "SMS.API.INVALID_REQUEST")
    with pytest.raises(ClientRequestException) as error:
        sources_life.list_servers(sdk_client, limit=1001)
    assert error.value.error_code == "SMS.API.INVALID_REQUEST"


def test_unknown_servers_answer_404_to_every_operation(sdk_client: SmsClient) -> None:
    for ask in (
        lambda: sources_life.show_server(sdk_client, "nobody"),
        lambda: sources_life.rename(sdk_client, "nobody", "x"),
        lambda: sources_life.delete_server(sdk_client, "nobody"),
    ):
        with pytest.raises(ClientRequestException) as error:
            ask()
        assert (error.value.status_code, error.value.error_code) == (404, "SMS.REGISTRY.SERVER_NOT_FOUND")


def test_disks_are_chosen_for_the_target(api: ApiBench, sdk_client: SmsClient) -> None:
    server_id = api.register_server("disks-1")
    disk = sources_life.show_server(sdk_client, server_id).init_target_server.disks[0]
    wish = PutDisk(id=disk.name, need_migration=True, adjust_size=disk.size * 2)
    sources_life.rename(sdk_client, server_id, "disks-1", disks=[wish])
    assert sources_life.show_server(sdk_client, server_id).init_target_server.disks[0].size == disk.size * 2
    leave = PutDisk(id=disk.name, need_migration=False, adjust_size=0)
    sources_life.rename(sdk_client, server_id, "disks-1", disks=[leave])
    assert disk.name not in {
        one.name for one in sources_life.show_server(sdk_client, server_id).init_target_server.disks
    }


def test_bulk_deletion_reports_each_server(api: ApiBench, sdk_client: SmsClient) -> None:
    ids = [api.register_server(f"bulk-{number}", is_checked=False) for number in range(2)]
    answer = json.loads(sources_life.delete_servers(sdk_client, ids[0], "nobody", ids[1]))
    assert [(one["id"], one["deleted"], one.get("error_code")) for one in answer["servers"]] == [
        (ids[0], True, None),
        ("nobody", False, "SMS.REGISTRY.SERVER_NOT_FOUND"),
        (ids[1], True, None),
    ]
    assert sources_life.list_servers(sdk_client, name="bulk-").count == 0


def test_tags_are_set_filtered_by_and_removed(api: ApiBench, signed: httpx.Client) -> None:
    server_id = api.register_server("tags-1", is_checked=False)
    body = {"tags": [{"key": "owner", "value": "shop"}, {"key": "tier"}]}
    answer = signed.put(f"/v3/sources/{server_id}/tags", json=body)
    assert (answer.status_code, answer.json()["tags"]) == (200, {"owner": "shop", "tier": ""})
    found = signed.get("/v3/sources", params=[("tag", "owner=shop"), ("tag", "tier")]).json()
    assert [server["id"] for server in found["source_servers"]] == [server_id]
    assert found["source_servers"][0]["tags"] == {"owner": "shop", "tier": ""}
    assert signed.get("/v3/sources", params={"tag": "owner=it"}).json()["count"] == 0
    assert signed.get("/v3/sources/tags").json()["tags"]["owner"] == ["shop"]
    answer = signed.post(f"/v3/sources/{server_id}/tags/delete", json={"keys": ["owner"]})
    assert answer.json()["tags"] == {"tier": ""}
    refused = signed.put(f"/v3/sources/{server_id}/tags", json={"tags": [{"key": "x" * 37}]})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "SMS.REGISTRY.TAG_INVALID")


def test_the_overview_names_the_quota(api: ApiBench, signed: httpx.Client) -> None:
    api.register_server("overview-1")
    found = signed.get("/v3/sources/overview").json()
    assert found["quota"] == 1000
    assert found["total"] >= 1
