"""`sms wave`: servers that are migrated together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import wave_actions
from cli.api import on_api, segment
from cli.json_file import read_json
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_json, print_table
from cli.task_options import HELP, parse_options
from cli.wave_view import print_wave, rate, wave_json
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.reply import Accepted
from contracts.messages.wave import WaveDetails, WaveList
from services.gateway.domain.wire.waves import NewWave, WaveUpdate

app = typer.Typer(help="Waves: servers that are migrated together.", no_args_is_help=True)
wave_actions.register(app)

_PATH = "/v3/waves"

ServersOption = Annotated[list[str] | None, typer.Option("--server", help="Id of a server; again for more.")]
TagsOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="KEY[=VALUE]", help="Servers with this tag when it starts; again to narrow down."),
]
TemplateOption = Annotated[str | None, typer.Option("--template", help="Template of tasks that the wave makes.")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="Migration project of tasks that it makes.")]
RunningOption = Annotated[
    int | None, typer.Option("--max-running", min=1, max=100, help="How many tasks may run at once. [default: 4]")
]
RateOption = Annotated[str | None, typer.Option("--rate-limit", help="Of each task, such as 100M (bit/s); 0 for none.")]
FileOption = Annotated[Path | None, typer.Option("--file", help="JSON as the API takes it; options go before it.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="Letters, digits, Chinese characters, _ and -.")] = "",
    server: ServersOption = None,
    tag: TagsOption = None,
    template: TemplateOption = None,
    project: ProjectOption = None,
    max_running: RunningOption = None,
    rate_limit: RateOption = None,
    option: Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help=HELP)] = None,
    file: FileOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make a wave of servers by their ids, by their tags, or both."""
    command = "sms wave create"
    said = _said(name, server, tag, template, project, max_running, rate_limit, option)
    if file is not None:
        body = read_json(file, NewWave, command=command).model_copy(update=said)
    elif name:
        body = NewWave(**said)
    else:
        raise MigrationError(USAGE, reason="--name or --file is needed.", command=command)
    made = on_api(data, lambda api: api.post(_PATH, body, Accepted))
    if output is OutputFormat.JSON:
        print_json({"id": made.id})
    else:
        out.print(f"wave {made.id}; check it with: sms wave check {made.id}", markup=False)


@app.command("update")
def update(
    wave_id: str,
    name: Annotated[str, typer.Option("--name", help="Another name.")] = "",
    server: ServersOption = None,
    tag: TagsOption = None,
    template: TemplateOption = None,
    project: ProjectOption = None,
    max_running: RunningOption = None,
    rate_limit: RateOption = None,
    option: Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help=HELP)] = None,
    file: FileOption = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Change what is given; who belongs to the wave is looked at again when it is started."""
    said = _said(name, server, tag, template, project, max_running, rate_limit, option)
    body = WaveUpdate(**said)
    if file is not None:
        body = read_json(file, WaveUpdate, command="sms wave update").model_copy(update=said)
    on_api(data, lambda api: api.put(f"{_PATH}/{segment(wave_id)}", body, Accepted))
    _done(wave_id, "changed", output)


@app.command("list")
def list_waves(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List waves with their progress."""
    found = on_api(data, lambda api: api.get(_PATH, WaveList, limit=200))
    if output is OutputFormat.JSON:
        print_json({"count": found.count, "waves": [wave_json(wave) for wave in found.waves]})
        return
    print_table(
        ("id", "name", "state", "last action", "percent", "servers"),
        ((one.id, one.name, one.state, one.last_action, one.percent, one.servers) for one in found.waves),
    )


@app.command("show")
def show(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show a wave: its progress, and each server with what went wrong."""
    found = on_api(data, lambda api: api.get(f"{_PATH}/{segment(wave_id)}", WaveDetails))
    if output is OutputFormat.JSON:
        print_json(wave_json(found.wave))
    else:
        print_wave(found.wave)


@app.command("delete")
def delete(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Forget a wave; its tasks stay as they are."""
    on_api(data, lambda api: api.delete(f"{_PATH}/{segment(wave_id)}", Accepted))
    _done(wave_id, "deleted", output)


def _said(
    name: str,
    server: list[str] | None,
    tag: list[str] | None,
    template: str | None,
    project: str | None,
    max_running: int | None,
    rate_limit: str | None,
    option: list[str] | None,
) -> dict[str, Any]:
    """What the options say, in the API's names."""
    said: dict[str, Any] = {
        "name": name or None,
        "server_ids": tuple(server) if server else None,
        "tags": {text.partition("=")[0]: text.partition("=")[2] for text in tag} if tag else None,
        "template_id": template,
        "project_id": project,
        "max_running": max_running,
        "rate_limit_bit_s": None if rate_limit is None else rate(rate_limit),
        "options": parse_options(option) if option else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _done(wave_id: str, what: str, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        print_json({"id": wave_id, what: True})
    else:
        out.print(f"{what} {wave_id}", markup=False)
