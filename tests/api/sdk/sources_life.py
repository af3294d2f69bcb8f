"""What a user does with source servers through the official SDK."""

from __future__ import annotations

from huaweicloudsdksms.v3 import (
    DeleteIds,
    DeleteServerRequest,
    DeleteServersRequest,
    ListServersRequest,
    ListServersResponse,
    PutSourceServerBody,
    ShowOverviewRequest,
    ShowOverviewResponse,
    ShowServerRequest,
    ShowServerResponse,
    SmsClient,
    UpdateServerNameRequest,
)

# SDK operations that these functions call.
OPERATIONS = frozenset(
    {"list_servers", "show_server", "show_overview", "update_server_name", "delete_server", "delete_servers"}
)


def list_servers(client: SmsClient, **filters: object) -> ListServersResponse:
    return client.list_servers(ListServersRequest(**filters))


def show_server(client: SmsClient, server_id: str) -> ShowServerResponse:
    return client.show_server(ShowServerRequest(source_id=server_id))


def show_overview(client: SmsClient) -> ShowOverviewResponse:
    return client.show_overview(ShowOverviewRequest())


def rename(client: SmsClient, server_id: str, name: str, **more: object) -> None:
    body = PutSourceServerBody(name=name, **more)
    client.update_server_name(UpdateServerNameRequest(source_id=server_id, body=body))


def delete_server(client: SmsClient, server_id: str) -> None:
    client.delete_server(DeleteServerRequest(source_id=server_id))


def delete_servers(client: SmsClient, *server_ids: str) -> bytes:
    """The answer as it came: the SDK's model of it is a text."""
    answer = client.delete_servers(DeleteServersRequest(body=DeleteIds(ids=list(server_ids))))
    return bytes(answer.raw_content)


def look_at_and_rename(client: SmsClient, server_id: str, name: str) -> None:
    """Find a server in the list and the overview, look at it, rename it, find it under its new name."""
    found = list_servers(client, id=server_id)
    assert (found.count, [server.id for server in found.source_servers]) == (1, [server_id])
    assert sum(vars(show_overview(client)).get(f"_{state}") or 0 for state in ("waiting", "finished")) >= 1
    shown = show_server(client, server_id)
    assert shown.disks
    assert shown.disks[0].physical_volumes
    assert all(check.result in {"OK", "WARN", "ERROR"} for check in shown.checks)
    rename(client, server_id, name)
    assert show_server(client, server_id).name == name
    assert [server.id for server in list_servers(client, name=name[1:-1]).source_servers] == [server_id]
