"""`sms task cutover-settings`: what a cutover does on the source around its last round."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json
from contracts.cutover import CutoverSettings, SourceCommand
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.cutover import TaskCutover
from contracts.messages.reply import Accepted
from services.gateway.domain.wire.details import CutoverBody

_COMMAND = "sms task cutover-settings"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cutover-settings")(cutover_settings)


def cutover_settings(
    task_id: str,
    before: Annotated[
        list[str] | None,
        typer.Option(metavar="COMMAND", help="Run on the source before the last round; again for more."),
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="COMMAND", help="Run on the source when the cutover has ended, well or not."),
    ] = None,
    command_timeout: Annotated[float | None, typer.Option(metavar="S", help="For each command. [default: 60]")] = None,
    hold: Annotated[
        float | None,
        typer.Option(metavar="S", help="Run `after` without a word of the service after so long. [default: 1800]"),
    ] = None,
    freeze: Annotated[
        bool | None, typer.Option("--freeze/--no-freeze", help="Let the file systems stand still in the last round.")
    ] = None,
    freeze_limit: Annotated[
        float | None, typer.Option(metavar="S", help="Thaw after so long, whatever happens. [default: 30]")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Begin from the defaults.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Set what a cutover does on the source; without options, show it. It needs the permission sms:command:set.

    COMMAND is a text for /bin/sh, or a JSON list of words that are run without a shell. Both run as root. In the
    environment SMS_CUTOVER is before, launched or failed.
    """
    given: dict[str, Any] = {
        "before": _commands(before, command_timeout),
        "after": _commands(after, command_timeout),
        "hold_s": hold,
        "freezes": freeze,
        "freeze_limit_s": freeze_limit,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    path = f"/v3/tasks/{segment(task_id)}/cutover-settings"

    async def work(api: ApiClient) -> CutoverSettings:
        if changes or clear:
            known = CutoverSettings() if clear else (await api.get(path, TaskCutover)).settings
            await api.put(path, CutoverBody(settings=_changed(known, changes)), Accepted)
        return (await api.get(path, TaskCutover)).settings

    settings = on_api(data, work)
    if output is OutputFormat.JSON:
        print_json({"id": task_id} | settings.model_dump(mode="json"))
        return
    print_fields(
        {
            "freeze": f"at most {settings.freeze_limit_s:g} s" if settings.freezes else "no",
            "after runs by itself": f"{settings.hold_s:g} s after the cutover began" if settings.after else "",
        }
    )
    for name, commands in (("before", settings.before), ("after", settings.after)):
        for number, each in enumerate(commands, start=1):
            text = each.script or json.dumps(each.argv)
            out.print(f"{name} {number} ({each.timeout_s:g} s): {text}", markup=False)


def _commands(texts: list[str] | None, timeout_s: float | None) -> tuple[SourceCommand, ...] | None:
    return None if not texts else tuple(_read(text, timeout_s) for text in texts)


def _read(text: str, timeout_s: float | None) -> SourceCommand:
    limit = {} if timeout_s is None else {"timeout_s": timeout_s}
    try:
        words = json.loads(text) if text.startswith("[") else None
        fields = {"script": text} if words is None else {"argv": words}
        return SourceCommand.model_validate(fields | limit)
    except ValueError as error:
        raise _usage(error) from error


def _changed(known: CutoverSettings, changes: dict[str, Any]) -> CutoverSettings:
    try:
        return CutoverSettings.model_validate({**dict(known), **changes})
    except ValidationError as error:
        raise _usage(error) from error


def _usage(error: ValueError) -> MigrationError:
    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return MigrationError(USAGE, reason=f"{reason}.", command=_COMMAND)
