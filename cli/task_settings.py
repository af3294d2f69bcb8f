"""`sms task limit|config|consistency|rename|priority|skip`: what is set on a task while it exists."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_json, print_table
from cli.watch import details_path
from contracts.errors import MigrationError
from contracts.errors.cli import USAGE
from contracts.messages.task import TaskDetails, TaskView
from services.gateway.domain.wire.base import WireRequest
from services.gateway.domain.wire.task_settings import (
    ConfigSetting,
    ConfigurationRequestBody,
    SpeedLimit,
    SpeedLimitEntry,
)
from services.gateway.domain.wire.tasks import PutTaskReq, TaskDone, UpdateTaskStatusReq

_MBIT: Final = 1_000_000
_PERIOD: Final = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)=(\d{1,4})(?:/(\d{1,4}(?:\.\d+)?))?")


class Priority(StrEnum):
    """The words for the contract's numbers."""

    LOW = "low"
    STANDARD = "standard"
    HIGH = "high"


def register(app: typer.Typer) -> None:
    """Add the commands that set something."""
    app.command("limit")(limit)
    app.command("config")(config)
    app.command("consistency")(consistency)
    app.command("rename")(rename)
    app.command("priority")(priority)
    app.command("skip")(skip)


def limit(
    task_id: str,
    periods: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HH:MM-HH:MM=MBIT[/PERCENT]]…", help="By the source's clock; 0 is no limit."),
    ] = None,
    otherwise: Annotated[
        int | None, typer.Option("--otherwise", metavar="MBIT", help="Outside all periods; 0 is no limit.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all periods.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Limit the sending rate by the time of the day (Mbit/s); without periods, show the limits.

    PERCENT: how far above a limit the measured rate may be before the task is stopped. A running copy obeys within a
    second.
    """
    entries = [_entry(text) for text in periods or ()]
    path = f"/v3/tasks/{segment(task_id)}"

    async def work(api: ApiClient) -> TaskView:
        if entries or clear:
            await api.post(f"{path}/speed-limit", SpeedLimit(speed_limit=entries), TaskDone)
        if otherwise is not None:
            await api.put(path, PutTaskReq(speed_limit=otherwise), TaskDone)
        return (await api.get(details_path(task_id), TaskDetails)).task

    limits = on_api(data, work).speed_limits
    if output is OutputFormat.JSON:
        print_json({"id": task_id} | limits.model_dump(mode="json"))
        return
    rows: list[tuple[object, ...]] = [
        (p.start, p.end, p.rate_mbit_s or "no limit", _percent(p.over_speed_percent)) for p in limits.periods
    ]
    rest = limits.otherwise
    rate = f"{rest.rate_bit_s / _MBIT:g}" if rest.rate_bit_s else "no limit"
    rows.append(("otherwise", "", rate, _percent(rest.over_speed_percent)))
    print_table(("from", "to", "Mbit/s", "stops above"), rows)


def config(
    task_id: str,
    settings: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="KEY= removes a key.")] = None,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Set keys of a task, such as MIGRATE_EXCLUDE_DIR=/var/cache,/srv/tmp; without any, show what is set.

    They act from the next copy, sync round or verification on. Status RECORDED: kept, and not acted on.
    """
    entries = [_setting(text) for text in settings or ()]

    async def work(api: ApiClient) -> TaskView:
        if entries:
            body = ConfigurationRequestBody(configurations=entries)
            await api.post(f"/v3/tasks/{segment(task_id)}/configuration-setting", body, TaskDone)
        return (await api.get(details_path(task_id), TaskDetails)).task

    found = on_api(data, work).configuration
    if output is OutputFormat.JSON:
        print_json({"id": task_id, "settings": [setting.model_dump(mode="json") for setting in found]})
    else:
        print_table(("key", "value", "status"), ((one.key, one.value, one.status) for one in found))


def consistency(
    task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Show what the last verification found, folder by folder."""
    task = on_api(data, lambda api: api.get(details_path(task_id), TaskDetails)).task
    if output is OutputFormat.JSON:
        results = [found.model_dump(mode="json") for found in task.consistency]
        at = task.consistency_at.isoformat() if task.consistency_at else None
        print_json({"id": task_id, "at": at, "directories": results})
        return
    if not task.consistency:
        out.print(f"task {task_id} has not been verified; do it with: sms task verify {task_id}")
        return
    print_table(
        ("folder", "files", "different", "missing", "extra"),
        ((one.directory, one.files, one.different, one.missing, one.extra) for one in task.consistency),
    )


def rename(
    task_id: str, name: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Give a task another name."""
    _put(data, task_id, PutTaskReq(name=name), output, f"task {task_id} is called {name}")


def priority(
    task_id: str, value: Priority, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Say how a task counts among the source's own processes, from its next copy or sync round on."""
    number = list(Priority).index(value)
    _put(data, task_id, PutTaskReq(priority=number), output, f"task {task_id} has {value.value} priority")


def skip(task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Do not wait for the verification that runs."""
    body = UpdateTaskStatusReq(operation="skip")
    _send(data, f"/v3/tasks/{segment(task_id)}/action", body, output, f"task {task_id} skips its verification")


def _put(data: Path, task_id: str, body: WireRequest, output: OutputFormat, done: str) -> None:
    answer = on_api(data, lambda api: api.put(f"/v3/tasks/{segment(task_id)}", body, TaskDone))
    _say(answer, output, done)


def _send(data: Path, path: str, body: WireRequest, output: OutputFormat, done: str) -> None:
    _say(on_api(data, lambda api: api.post(path, body, TaskDone)), output, done)


def _say(answer: TaskDone, output: OutputFormat, done: str) -> None:
    if output is OutputFormat.JSON:
        print_json({"id": answer.id})
    else:
        out.print(done, markup=False)


def _entry(text: str) -> SpeedLimitEntry:
    found = _PERIOD.fullmatch(text)
    if found is None:
        reason = f"a period is HH:MM-HH:MM=MBIT or HH:MM-HH:MM=MBIT/PERCENT, not {text!r}."
        raise MigrationError(USAGE, reason=reason, command="sms task limit")
    start, end, rate, percent = found.groups()
    return SpeedLimitEntry(
        start=start, end=end, speed=int(rate), over_speed_threshold=float(percent) if percent else None
    )


def _setting(text: str) -> ConfigSetting:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise MigrationError(USAGE, reason=f"a setting is KEY=VALUE, not {text!r}.", command="sms task config")
    return ConfigSetting(config_key=key, config_value=value)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:g} %"
