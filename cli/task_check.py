"""`sms task check`: measure the network before a task is started."""

from __future__ import annotations

import typer

from cli.api import ApiClient, on_api, segment
from cli.network_view import print_network_check
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, print_json
from cli.watch import Watch, details_path
from contracts.errors import MigrationError
from contracts.errors.cli import TASK_ENDED_EARLY
from contracts.messages.task import Phase, TaskDetails
from contracts.task_settings import NetworkCheck
from services.gateway.domain.wire.tasks import TaskDone, UpdateTaskStatusReq

POOR_EXIT_CODE = 4
_POOR = "poor"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> int:
    """Measure delay, jitter, loss and bandwidth to the target, before the start; nothing is wiped.

    Exits with 4 when the network is poor. The target's disks are made for it, and its helper is started.
    """
    found = on_api(data, lambda api: _measure(api, task_id, is_quiet=output is OutputFormat.JSON))
    if output is OutputFormat.JSON:
        print_json({"id": task_id} | found.model_dump(mode="json"))
    else:
        print_network_check(found)
    return POOR_EXIT_CODE if found.verdict == _POOR else 0


async def _measure(api: ApiClient, task_id: str, *, is_quiet: bool) -> NetworkCheck:
    before = (await api.get(details_path(task_id), TaskDetails)).task
    body = UpdateTaskStatusReq(operation="network_check")
    await api.post(f"/v3/tasks/{segment(task_id)}/action", body, TaskDone)
    task = await Watch(api, task_id, frozenset({Phase.READY}), is_quiet=is_quiet, after=before.version).run()
    if task.error is not None:
        raise MigrationError(task.error)
    if task.network_check is None:
        raise MigrationError(TASK_ENDED_EARLY, task_id=task_id, phase=task.phase, wanted="a measurement")
    return task.network_check
