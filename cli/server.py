"""`sms server`: source servers and the results of their checks."""

from __future__ import annotations

from typing import Any

import typer

from cli.api import on_api, segment
from cli.checklist import print_changes, print_checklist, print_not_fresh
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, cell, out, print_fields, print_json, print_table, size
from contracts.messages.feasibility import FeasibilityDetails
from contracts.messages.registry import ServerDetails, ServerView
from contracts.messages.reply import Accepted

app = typer.Typer(help="Source servers.", no_args_is_help=True)


@app.command("show")
def show(server_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show one server: inventory and checks."""
    found = on_api(data, lambda api: api.get(f"/v3/sources/{segment(server_id)}/details", ServerDetails))
    if output is OutputFormat.JSON:
        print_json(
            server_json(found.server)
            | {
                "inventory": found.inventory.model_dump(mode="json"),
                "feasibility": found.feasibility.model_dump(mode="json") if found.feasibility else None,
            }
        )
        return
    _print_server(found)


@app.command("check")
def check(server_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Check again, as the server is now, whether it can be migrated, and show what has changed."""
    path = f"/v3/sources/{segment(server_id)}/check"
    found = on_api(data, lambda api: api.post(path, None, FeasibilityDetails))
    if output is OutputFormat.JSON:
        shown = found.model_dump(mode="json")
        print_json({"server_id": shown.pop("server_id"), "feasibility": shown.pop("report")} | shown)
        return
    print_checklist(found.report)
    print_changes(found.changes)
    if found.not_fresh is not None:
        print_not_fresh(found.not_fresh, cell(found.inventory_at).plain)


@app.command("delete")
def delete(server_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Forget a server; refused while a task of it has not ended."""
    on_api(data, lambda api: api.delete(f"/v3/sources/{segment(server_id)}", Accepted))
    if output is OutputFormat.JSON:
        print_json({"id": server_id, "deleted": True})
        return
    out.print(f"deleted {server_id}", markup=False)


def server_json(server: ServerView) -> dict[str, Any]:
    """A server with the stable keys of the command line: `connected` stands beside the message's own names."""
    return server.model_dump(mode="json") | {"connected": server.is_connected}


def _print_server(found: ServerDetails) -> None:
    inventory = found.inventory
    system = inventory.operating_system
    print_fields(
        {
            "id": found.server.id,
            "name": found.server.name,
            "state": found.server.state,
            "connected": found.server.is_connected,
            "system": f"{system.name or system.id} {system.version}".strip(),
            "kernel": inventory.kernel_release,
            "firmware": f"{inventory.firmware}, {inventory.architecture}",
            "agent": found.server.agent_version,
            "may be the same as": ", ".join(found.server.may_be_same_as),
        }
    )
    print_table(
        ("disk", "size", "table", "partitions"),
        ((one.name, size(one.size_bytes), one.table, len(one.partitions)) for one in inventory.disks),
    )
    print_table(
        ("mounted at", "file system", "size", "used"),
        ((one.mount_point, one.kind, size(one.size_bytes), size(one.used_bytes)) for one in inventory.mounts),
    )
    if found.feasibility is not None:
        print_checklist(found.feasibility)
