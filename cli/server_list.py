"""`sms server list|overview|rename|tag|untag`: find servers, and name them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.base import Model
from contracts.messages.reply import Accepted
from contracts.messages.source import ServerOverview, ServerTags, SourceServer, SourceServerPage, UpdateServer

_PAGE: Final = 200
TagOption = Annotated[list[str], typer.Option("--tag", help="KEY or KEY=VALUE; may be given several times.")]


class Filters(Model):
    """What a list shows; empty values let everything through."""

    state: str
    name: str
    ip: str
    project: str
    tags: tuple[str, ...]
    is_connected: bool | None


class TagWord(Model):
    """A tag in a request."""

    key: str
    value: str = ""


class TagWords(Model):
    """Tags to set."""

    tags: tuple[TagWord, ...]


class TagKeys(Model):
    """Tags to remove."""

    keys: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the commands to those of `sms server`."""
    app.command("list")(list_servers)
    app.command("overview")(overview)
    app.command("rename")(rename)
    app.command("tag")(tag_server)
    app.command("untag")(untag_server)


def list_servers(
    state: Annotated[str, typer.Option(help="Only servers in this state, such as waiting or syncing.")] = "",
    name: Annotated[str, typer.Option(help="Only servers with this part in their name.")] = "",
    ip: Annotated[str, typer.Option(help="Only the server with this IPv4 address.")] = "",
    project: Annotated[str, typer.Option(help="Only servers of this migration project (its id).")] = "",
    tag: TagOption = [],  # noqa: B006 - typer copies it
    connected: Annotated[
        bool | None, typer.Option("--connected/--disconnected", help="Only servers whose agent is, or is not, there.")
    ] = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List the source servers whose agents have registered, oldest registration first."""
    filters = Filters(state=state, name=name, ip=ip, project=project, tags=tuple(tag), is_connected=connected)
    servers = on_api(data, lambda api: _all(api, filters))
    if output is OutputFormat.JSON:
        print_json({"count": len(servers), "servers": [source_json(server) for server in servers]})
        return
    print_table(
        ("id", "name", "state", "connected", "checks", "system", "addresses", "tags"),
        (
            (
                one.id,
                one.name,
                one.state,
                one.is_connected,
                one.feasibility,
                one.os_name,
                ", ".join(filter(None, (one.ip, one.ipv6))),
                ", ".join(f"{key}={value}" if value else key for key, value in one.tags.items()),
            )
            for one in servers
        ),
    )


def overview(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Count servers by state, against what the account may have in migration."""
    found = on_api(data, lambda api: api.get("/v3/source-servers/overview", ServerOverview))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_fields(
        {
            "in migration": f"{found.count} of {found.quota}",
            "connected": str(found.connected),
            "without a task": str(found.unconfigured),
        }
    )
    print_table(("state", "servers"), sorted(found.states.items()))


def rename(
    server_id: str, name: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Give a server a name of your own, which its agent's reports no longer change."""
    body = UpdateServer(server_id=server_id, name=name)
    on_api(data, lambda api: api.put(f"/v3/sources/{segment(server_id)}", body, Accepted))
    if output is OutputFormat.JSON:
        print_json({"id": server_id, "name": name})
        return
    out.print(f"renamed {server_id}", markup=False)


def tag_server(
    server_id: str,
    tags: Annotated[list[str], typer.Argument(help="KEY or KEY=VALUE.")],
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Set or replace tags of a server, at most 20 in all."""
    body = TagWords(tags=tuple(TagWord(key=key, value=value) for key, _, value in (one.partition("=") for one in tags)))
    found = on_api(data, lambda api: api.put(f"/v3/sources/{segment(server_id)}/tags", body, ServerTags))
    _print_tags(found, output)


def untag_server(
    server_id: str,
    keys: Annotated[list[str], typer.Argument(help="Keys of tags.")],
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Remove tags of a server; one that it has not is no error."""
    body = TagKeys(keys=tuple(keys))
    found = on_api(data, lambda api: api.post(f"/v3/sources/{segment(server_id)}/tags/delete", body, ServerTags))
    _print_tags(found, output)


def source_json(server: SourceServer) -> dict[str, Any]:
    """A server with the stable keys of the command line, which are older than the message: `connected`, `checks` (the
    worst result), `addresses`, `operating_system`, `task_id`."""
    return server.model_dump(mode="json") | {
        "connected": server.is_connected,
        "checks": server.feasibility,
        "failed_checks": [check.model_dump(mode="json") for check in server.checks],
        "addresses": [address for address in (server.ip, server.ipv6) if address],
        "operating_system": server.os_name,
        "task_id": server.task.id if server.task else "",
    }


async def _all(api: ApiClient, filters: Filters) -> list[SourceServer]:
    servers: list[SourceServer] = []
    while True:
        page = await api.get(
            "/v3/source-servers",
            SourceServerPage,
            limit=_PAGE,
            offset=len(servers),
            state=filters.state or None,
            name=filters.name or None,
            ip=filters.ip or None,
            project_id=filters.project or None,
            tag=filters.tags or None,
            is_connected=filters.is_connected,
        )
        servers += page.servers
        if not page.servers or len(servers) >= page.count:
            return servers


def _print_tags(found: ServerTags, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json({"id": found.server_id, "tags": found.tags})
        return
    print_table(("tag", "value"), found.tags.items())
