"""`sms task`: create and show migration tasks."""

from __future__ import annotations

import asyncio
import sys
import uuid
from typing import Annotated

import typer

from cli import task_actions, task_check, task_cutover, task_rehearsal, task_settings, task_verify
from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_json, print_table
from cli.task_actions import act_on_task
from cli.task_options import HELP, parse_options
from cli.task_view import print_plan, print_task, task_json
from cli.watch import Watch, details_path, goal_of
from contracts.errors import MigrationError
from contracts.errors.cli import NO_CONSENT, USAGE
from contracts.messages.registry import ServerDetails
from contracts.messages.reply import Accepted
from contracts.messages.task import (
    CreateTask,
    PlanTask,
    TaskAction,
    TaskDetails,
    TaskHistory,
    TaskList,
    TaskOptions,
    TaskPlan,
)

app = typer.Typer(help="Migration tasks.", no_args_is_help=True)
task_actions.register(app)
task_settings.register(app)
task_rehearsal.register(app)
task_cutover.register(app)
task_check.register(app)
task_verify.register(app)


@app.command("create")
def create(
    server: Annotated[str, typer.Option("--server", help="Id of the source server.")],
    migration_type: Annotated[str, typer.Option("--type", help="file or block.")] = "file",
    target_provider: Annotated[str, typer.Option(help="Where the target is made.")] = "local",
    option: Annotated[list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help=HELP)] = None,
    template: Annotated[str, typer.Option("--template", help="Template of the target.")] = "",
    project: Annotated[str, typer.Option("--project", help="Migration project. [default: the server's]")] = "",
    start: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the list of disks that will be wiped.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a task in three steps: source, target, options. Shows them, and asks before anything is wiped."""
    if migration_type not in {"file", "block"}:
        raise MigrationError(
            USAGE, reason=f"--type is file or block, not {migration_type!r}.", command="sms task create"
        )
    options = parse_options(option or [])
    task_id = on_api(
        data,
        lambda api: _create(
            api,
            _request(server, migration_type, target_provider, options, template=template, project=project),
            start=start,
            yes=yes,
            output=output,
        ),
    )
    if output is OutputFormat.JSON:
        print_json({"id": task_id})
    else:
        out.print(f"task {task_id} {'started' if start else 'created'}; follow it with: sms task watch {task_id}")


@app.command("list")
def list_tasks(
    data: DataOption = DEFAULT_DATA_FOLDER,
    server: Annotated[str, typer.Option(help="Only tasks of this server.")] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List tasks."""
    found = on_api(data, lambda api: api.get("/v3/task-details", TaskList, server_id=server or None))
    if output is OutputFormat.JSON:
        print_json({"count": found.count, "tasks": [task_json(task) for task in found.tasks]})
        return
    print_table(
        ("id", "server", "type", "state", "phase", "step", "error"),
        (
            (one.id, one.server_name or one.server_id, one.migration_type, one.state, one.phase, one.step,
             one.error.code if one.error else "")
            for one in found.tasks
        ),
    )  # fmt: skip


@app.command("show")
def show(task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show one task: state, progress, target, rounds."""
    found = on_api(data, lambda api: api.get(details_path(task_id), TaskDetails))
    if output is OutputFormat.JSON:
        print_json(task_json(found.task))
    else:
        print_task(found.task)


@app.command("history")
def history(task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show every transition of a task."""
    found = on_api(data, lambda api: api.get(f"/v3/tasks/{segment(task_id)}/history", TaskHistory))
    if output is OutputFormat.JSON:
        print_json({"count": len(found.entries), "entries": [entry.model_dump(mode="json") for entry in found.entries]})
        return
    print_table(
        ("version", "at", "event", "from", "to", "step", "failure", "actor"),
        (
            (one.version, one.at, one.event, one.from_phase, one.to_phase, one.step,
             one.failure.code if one.failure else "", one.actor)
            for one in found.entries
        ),
    )  # fmt: skip


@app.command("watch")
def watch(
    task_id: str,
    data: DataOption = DEFAULT_DATA_FOLDER,
    until: Annotated[str, typer.Option(help="Phase to wait for. [default: LAUNCHED or FINISHED]")] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Follow a task: a bar per disk on a terminal, else a line every 10 s.

    Exits with 0 when the phase is reached, and with the error's own status when the task pauses or fails.
    """
    goal = goal_of(until)
    task = on_api(data, lambda api: Watch(api, task_id, goal, is_quiet=output is OutputFormat.JSON).run())
    if output is OutputFormat.JSON:
        print_json(task_json(task))


def _request(
    server_id: str, migration_type: str, target_provider: str, options: TaskOptions, *, template: str, project: str
) -> CreateTask:
    return CreateTask.model_validate(
        {
            "idempotency_key": str(uuid.uuid4()),
            "server_id": server_id,
            "migration_type": migration_type,
            "target_provider": target_provider,
            "options": options,
            "template_id": template,
            "project_id": project,
        }
    )


async def _create(api: ApiClient, request: CreateTask, *, start: bool, yes: bool, output: OutputFormat) -> str:
    if output is OutputFormat.TABLE or (start and not yes):
        source, plan = await asyncio.gather(
            api.get(f"/v3/sources/{segment(request.server_id)}/details", ServerDetails),
            api.post("/v3/tasks/plan", _plan_of(request), TaskPlan),
        )
        shown = request.model_copy(update={"options": plan.options})
        print_plan(source, plan.layout, shown, to_stderr=output is OutputFormat.JSON)
    if start and not yes:
        _ask_for_consent()
    created = await api.post("/v3/task-details", request, Accepted)
    if start:
        await act_on_task(api, created.id, TaskAction.START, has_consent=True)
    return created.id


def _plan_of(request: CreateTask) -> PlanTask:
    return PlanTask(
        server_id=request.server_id,
        options=request.options,
        template_id=request.template_id,
        project_id=request.project_id,
    )


def _ask_for_consent() -> None:
    """Only a person can agree: without a terminal --yes is needed."""
    if not sys.stdin.isatty() or not typer.confirm("Wipe these disks and start?", err=True):
        raise MigrationError(NO_CONSENT)
