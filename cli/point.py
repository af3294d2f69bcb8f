"""`sms point`: frozen states of a replica."""

from __future__ import annotations

import typer

from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption, on_bus
from cli.output import OutputFormat, print_json, print_table
from contracts.messages.task import ShowTask, TaskDetails

app = typer.Typer(help="Points: frozen states of a replica.", no_args_is_help=True)


@app.command("list")
def list_points(
    task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """List the points of a task's replica, oldest first."""
    found = on_bus(data, lambda client: client.ask("task", "show", ShowTask(task_id=task_id), TaskDetails))
    points = found.task.target.points
    if output is OutputFormat.JSON:
        print_json({"count": len(points), "points": [point.model_dump(mode="json") for point in points]})
        return
    print_table(("id", "taken at", "layers"), ((point.id, point.taken_at, point.layers) for point in points))
