"""`sms task start|stop|sync|launch|cutover|finish|delete`."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_json
from cli.task_view import task_json
from cli.watch import Watch, details_path, goal_of
from contracts.errors import MigrationError
from contracts.errors.cli import NO_CONSENT
from contracts.messages.reply import Accepted
from contracts.messages.task import ActOnTask, Phase, TaskAction, TaskDetails, TaskView

WaitOption = Annotated[bool, typer.Option("--wait", help="Return when it is done, and fail if it failed.")]

_NOT_STARTED = (Phase.READY,)


def register(app: typer.Typer) -> None:
    """Add the commands that act on a task."""
    app.command("start")(start)
    app.command("stop")(stop)
    app.command("sync")(sync)
    app.command("launch")(launch)
    app.command("cutover")(cutover)
    app.command("finish")(finish)
    app.command("delete")(delete)


def start(
    task_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the list of disks that will be wiped.")] = False,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Start a task, or go on after a pause or failure from the last good step."""
    if not yes:
        found = on_api(data, lambda api: api.get(details_path(task_id), TaskDetails))
        if found.task.phase in _NOT_STARTED:
            disks = ", ".join(disk.name for disk in found.task.layout.disks)
            question = f"The target's disks {disks} will be wiped. Start?"
            if not sys.stdin.isatty() or not typer.confirm(question, err=True):
                raise MigrationError(NO_CONSENT)
    _act(data, task_id, TaskAction.START, output, wait_for=_if(wait, "LAUNCHED"), has_consent=True)


def stop(
    task_id: str,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Stop what a task does; what has been copied stays, and `start` goes on from it."""
    _act(data, task_id, TaskAction.STOP, output, wait_for=_if(wait, "PAUSED"))


def sync(
    task_id: str,
    overwrite_target: Annotated[
        bool, typer.Option("--overwrite-target", help="After a cutover: discard what was written on the target.")
    ] = False,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Go on, round after round, until `launch`, `cutover` or `stop`.")
    ] = False,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Copy what has changed on the source since the last round; `sms task show` names the lag."""
    flags = {"overwrite_target": overwrite_target, "is_continuous": continuous}
    _act(data, task_id, TaskAction.SYNC, output, wait_for=_if(wait, "LAUNCHED"), **flags)


def launch(
    task_id: str,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Take a point, adapt a launch layer over it, and start the target from that."""
    _act(data, task_id, TaskAction.LAUNCH, output, wait_for=_if(wait, "LAUNCHED"))


def cutover(
    task_id: str,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Rounds until the rest is small, the last one, new point and layer, target launched for good.

    What is to be done on the source around the last round is set by `sms task cutover-settings`; without that, stop
    the source's services before.
    """
    _act(data, task_id, TaskAction.CUTOVER, output, wait_for=_if(wait, "LAUNCHED"))


def finish(
    task_id: str,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """End a task: the target becomes self-contained, everything temporary is released."""
    _act(data, task_id, TaskAction.FINISH, output, wait_for=_if(wait, "FINISHED"))


def delete(
    task_id: str,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Delete a task; of one that has not finished the target and its copy go too."""
    _act(data, task_id, TaskAction.DELETE, output, wait_for=_if(wait, "DELETED"))


def _if(wait: bool, phase: str) -> str:
    return phase if wait else ""


def _act(data: Path, task_id: str, action: TaskAction, output: OutputFormat, *, wait_for: str, **flags: bool) -> None:
    async def work(api: ApiClient) -> TaskView | None:
        before = await api.get(details_path(task_id), TaskDetails)
        await act_on_task(api, task_id, action, **flags)
        if not wait_for:
            return None
        watch = Watch(api, task_id, goal_of(wait_for), is_quiet=output is OutputFormat.JSON, after=before.task.version)
        return await watch.run()

    task = on_api(data, work)
    if output is OutputFormat.JSON:
        print_json(task_json(task) if task else {"id": task_id, "action": action.value})
    elif task is None:
        out.print(f"{action.value}: accepted; follow it with: sms task watch {task_id}", markup=False)


async def act_on_task(api: ApiClient, task_id: str, action: TaskAction, **flags: object) -> None:
    """Ask for an action. flags: the further fields of `ActOnTask`."""
    fields = {"idempotency_key": str(uuid.uuid4()), "task_id": task_id, "action": action, **flags}
    message = ActOnTask.model_validate(fields)
    await api.post(f"/v3/tasks/{segment(task_id)}/act", message, Accepted)
