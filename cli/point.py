"""`sms point`: frozen states of a replica."""

from __future__ import annotations

import typer

from cli.api import on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, print_json, print_table
from contracts.api_views import PointList

app = typer.Typer(help="Points: frozen states of a replica.", no_args_is_help=True)


@app.command("list")
def list_points(
    task_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE
) -> None:
    """List the points of a task's replica, oldest first."""
    points = on_api(data, lambda api: api.get(f"/v3/tasks/{segment(task_id)}/points", PointList)).points
    if output is OutputFormat.JSON:
        print_json({"count": len(points), "points": [point.model_dump(mode="json") for point in points]})
        return
    print_table(("id", "taken at", "layers"), ((point.id, point.taken_at, point.layers) for point in points))
