"""`sms project`: migration projects, the named defaults of migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.api import on_api, segment
from cli.json_file import read_json
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from services.gateway.domain.wire.migprojects import (
    CreateMigprojectResponse,
    ListMigprojectsResponse,
    MigProject,
    PostMigProjectBody,
    ProjectDone,
    ShowMigprojectResponse,
)

app = typer.Typer(help="Migration projects.", no_args_is_help=True)

_PATH = "/v3/migprojects"
_TYPES = {"file": "MIGRATE_FILE", "block": "MIGRATE_BLOCK"}

RegionOption = Annotated[str | None, typer.Option("--region", help="Region of the targets.")]
TypeOption = Annotated[str, typer.Option("--type", help="file or block.")]
DescriptionOption = Annotated[str | None, typer.Option("--description", help="One line.")]
LimitOption = Annotated[
    int | None, typer.Option("--speed-limit", min=0, max=1000, help="Mbit/s of each task; 0 for none.")
]
SyncOption = Annotated[bool | None, typer.Option("--sync/--no-sync", help="Go on with sync rounds after the copy.")]
StartOption = Annotated[
    bool | None, typer.Option("--start-target/--no-start-target", help="Whether the target runs after a migration.")
]
CheckOption = Annotated[
    bool | None, typer.Option("--network-check/--no-network-check", help="Measure the network before the copy.")
]
FileOption = Annotated[Path | None, typer.Option("--file", help="JSON as the API takes it; options go before it.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="Letters, digits, Chinese characters, _ and -.")] = "",
    region: RegionOption = None,
    migration_type: TypeOption = "",
    description: DescriptionOption = None,
    speed_limit: LimitOption = None,
    sync: SyncOption = None,
    start_target: StartOption = None,
    network_check: CheckOption = None,
    file: FileOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a migration project from options, from a file, or from both."""
    command = "sms project create"
    flags = {"syncing": sync, "start_target_server": start_target, "start_network_check": network_check}
    said = _said(name, region, migration_type, description, speed_limit, flags, command=command)
    if file is not None:
        body = read_json(file, PostMigProjectBody, command=command).model_copy(update=said)
    elif name:
        body = PostMigProjectBody(**({"region": "local", "type": "MIGRATE_FILE"} | said))
    else:
        raise MigrationError(USAGE, reason="--name or --file is needed.", command=command)
    made = on_api(data, lambda api: api.post(_PATH, body, CreateMigprojectResponse))
    if output is OutputFormat.JSON:
        print_json({"id": made.id})
    else:
        out.print(f"project {made.id}", markup=False)


@app.command("update")
def update(
    project_id: str,
    name: Annotated[str, typer.Option("--name", help="Another name.")] = "",
    region: RegionOption = None,
    migration_type: TypeOption = "",
    description: DescriptionOption = None,
    speed_limit: LimitOption = None,
    sync: SyncOption = None,
    start_target: StartOption = None,
    network_check: CheckOption = None,
    file: FileOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change what is given; tasks that were made in the project keep what they have."""
    command = "sms project update"
    flags = {"syncing": sync, "start_target_server": start_target, "start_network_check": network_check}
    said = _said(name, region, migration_type, description, speed_limit, flags, command=command)
    body = MigProject(**said) if file is None else read_json(file, MigProject, command=command).model_copy(update=said)
    on_api(data, lambda api: api.put(f"{_PATH}/{segment(project_id)}", body, ProjectDone))
    _done(project_id, "changed", output)


@app.command("list")
def list_projects(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List migration projects, the default one first."""
    found = on_api(data, lambda api: api.get(_PATH, ListMigprojectsResponse))
    if output is OutputFormat.JSON:
        print_json({"count": found.count, "projects": [one.model_dump(mode="json") for one in found.migprojects]})
        return
    print_table(
        ("id", "name", "default", "servers", "type", "region", "Mbit/s"),
        (
            (one.id, one.name, one.isdefault, one.exist_server, one.type, one.region, one.speed_limit or "")
            for one in found.migprojects
        ),
    )


@app.command("show")
def show(project_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show one migration project."""
    found = on_api(data, lambda api: api.get(f"{_PATH}/{segment(project_id)}", ShowMigprojectResponse))
    fields = {"id": project_id} | found.model_dump(mode="json")
    if output is OutputFormat.JSON:
        print_json(fields)
    else:
        print_fields(fields)


@app.command("default")
def default(project_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Make a project the account's default: tasks and servers that name none belong to it."""
    on_api(data, lambda api: api.put(f"{_PATH}/{segment(project_id)}/default", None, ProjectDone))
    _done(project_id, "default", output)


@app.command("delete")
def delete(project_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Delete a project that is not the default and in which no server lies."""
    on_api(data, lambda api: api.delete(f"{_PATH}/{segment(project_id)}", ProjectDone))
    _done(project_id, "deleted", output)


def _said(
    name: str,
    region: str | None,
    migration_type: str,
    description: str | None,
    speed_limit: int | None,
    flags: dict[str, bool | None],
    *,
    command: str,
) -> dict[str, Any]:
    """What the options say, in the API's names."""
    if migration_type and migration_type not in _TYPES:
        raise MigrationError(USAGE, reason=f"--type is file or block, not {migration_type!r}.", command=command)
    said: dict[str, Any] = {
        "name": name or None,
        "region": region,
        "type": _TYPES.get(migration_type),
        "description": description,
        "speed_limit": speed_limit,
        **flags,
    }
    return {key: value for key, value in said.items() if value is not None}


def _done(project_id: str, what: str, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json({"id": project_id, what: True})
    else:
        out.print(f"{what} {project_id}", markup=False)
