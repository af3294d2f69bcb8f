"""`sms server log`: the log of a server's agent, collected now or kept from before."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_json, print_table, size
from contracts.errors import MigrationError
from contracts.errors.cli import NO_ANSWER
from contracts.messages.reply import Accepted
from contracts.messages.server_log import ServerLogList, ServerLogPart, ServerLogView

_SENT_WITHIN_S = 130.0
_ASK_AGAIN_S = 0.5
_NEWEST = "newest"


def register(app: typer.Typer) -> None:
    """Add the commands to those of `sms server`."""
    app.command("log")(log)
    app.command("logs")(logs)


def log(
    server_id: str,
    data: DataOption = DEFAULT_DATA_FOLDER,
    file: Annotated[Path | None, typer.Option(help="Write it to this file instead of standard output.")] = None,
    kept: Annotated[str, typer.Option(help="One that was collected before: its id, or newest.")] = "",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Collect the log of a server's agent, at most its newest 2 MiB, secrets masked, and show it."""
    found, text = on_api(data, lambda api: _fetch(api, server_id, kept))
    if file is not None:
        # Masked or not, it is for its owner's eyes.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    if output is OutputFormat.JSON:
        content = {} if file is not None else {"text": text}
        print_json(found.model_dump(mode="json") | content)
    elif file is not None:
        out.print(f"{size(found.size_bytes)} in {file}", markup=False)
    else:
        # As it is: the registry has taken out what a terminal would act on.
        sys.stdout.write(text)


def logs(server_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the collected logs of a server that are kept."""
    path = f"/v3/sources/{segment(server_id)}/logs"
    found = on_api(data, lambda api: api.get(path, ServerLogList))
    if output is OutputFormat.JSON:
        print_json({"count": len(found.logs), **found.model_dump(mode="json")})
        return
    print_table(
        ("id", "state", "requested at", "size", "failure"),
        (
            (one.log_id, one.state, one.requested_at, size(one.size_bytes), one.failure.code if one.failure else "")
            for one in found.logs
        ),
    )


async def _fetch(api: ApiClient, server_id: str, kept: str) -> tuple[ServerLogView, str]:
    path = f"/v3/sources/{segment(server_id)}/logs"
    log_id = kept
    if not log_id:
        log_id = (await api.post(path, None, Accepted)).id
        await _sent(api, path, log_id)
    part = await api.get(f"{path}/{segment(log_id)}", ServerLogPart)
    texts = [part.text]
    for number in range(1, part.parts):
        texts.append((await api.get(f"{path}/{segment(part.log.log_id)}", ServerLogPart, part=number)).text)  # noqa: PERF401 - one request after the other
    return part.log, "".join(texts)


async def _sent(api: ApiClient, path: str, log_id: str) -> None:
    """Wait for the agent. Raises the failure when it has not sent its log."""
    give_up_at = time.monotonic() + _SENT_WITHIN_S
    while time.monotonic() < give_up_at:
        listed = (await api.get(path, ServerLogList)).logs
        for one in listed:
            if one.log_id == log_id and one.failure is not None:
                raise MigrationError(one.failure)
            if one.log_id == log_id and one.state == "complete":
                return
        await asyncio.sleep(_ASK_AGAIN_S)
    raise MigrationError(NO_ANSWER, service="agent", request=f"POST {path}", seconds=f"{_SENT_WITHIN_S:g}")
