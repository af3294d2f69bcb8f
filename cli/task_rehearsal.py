"""`sms task rehearse`."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Final

import typer

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_json
from cli.task_actions import WaitOption
from cli.task_view import print_rehearsal
from cli.watch import details_path
from contracts.errors import MigrationError
from contracts.errors.rehearsal import REHEARSAL_INTERRUPTED
from contracts.messages.reply import Accepted
from contracts.messages.task import Phase, RehearsalView, RehearseTask, TaskDetails

RED_EXIT_CODE: Final = 4
_POLL_S: Final = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rehearse")(rehearse)


def rehearse(
    task_id: str,
    wait: WaitOption = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> int:
    """Boot a throw-away copy of the newest point, without a network; with --wait exits with 4 if it is red."""

    async def work(api: ApiClient) -> RehearsalView | None:
        before = await api.get(details_path(task_id), TaskDetails)
        message = RehearseTask(idempotency_key=str(uuid.uuid4()), task_id=task_id)
        await api.post(f"/v3/tasks/{segment(task_id)}/rehearse", message, Accepted)
        return await _verdict(api, task_id, before.task.rehearsal) if wait else None

    found = on_api(data, work)
    if found is None or found.report is None:
        if output is OutputFormat.JSON:
            print_json({"id": task_id, "action": "rehearse"})
        else:
            out.print(f"rehearse: accepted; its verdict will be in: sms task show {task_id}", markup=False)
        return 0
    if output is OutputFormat.JSON:
        print_json({"id": task_id} | found.report.model_dump(mode="json"))
    else:
        print_rehearsal(found)
    return 0 if found.report.verdict == "green" else RED_EXIT_CODE


async def _verdict(api: ApiClient, task_id: str, before: RehearsalView | None) -> RehearsalView:
    """Raises MigrationError SMS.REHEARSAL.INTERRUPTED when the task ends and takes the rehearsal with it."""
    began = time.monotonic()
    while True:
        task = (await api.get(details_path(task_id), TaskDetails)).task
        now = task.rehearsal
        if now is not None and now.report is not None and (before is None or now.begun_at > before.begun_at):
            return now
        if task.phase in {Phase.FINISHED, Phase.DELETED}:
            reason = f"the task went to {task.phase} after {time.monotonic() - began:.0f} s"
            raise MigrationError(REHEARSAL_INTERRUPTED, reason=reason)
        await asyncio.sleep(_POLL_S)
