"""The bench itself: what the other tests of the API stand on."""

from __future__ import annotations

import httpx
from huaweicloudsdksms.v3 import ListApiVersionRequest, SmsClient

from contracts.messages.registry import ListServers, ServerList
from tests.api.bench import ApiBench


def test_root_is_let_in_by_the_official_sdk(sdk_client: SmsClient) -> None:
    answer = sdk_client.list_api_version(ListApiVersionRequest())
    assert [version.id for version in answer.versions] == ["v3"]


def test_another_key_is_not_let_in(api: ApiBench) -> None:
    with api.client((api.root[0], "not its secret")) as client:
        assert client.get("/").status_code == 401


def test_a_registered_server_is_connected_and_checked(api: ApiBench, signed: httpx.Client) -> None:
    server_id = api.register_server("bench-1")
    listed = api.run(api.ask("registry", "list", ListServers(), ServerList))
    [server] = [server for server in listed.servers if server.id == server_id]
    assert (server.name, server.is_connected, server.checks) == ("bench-1", True, "OK")
