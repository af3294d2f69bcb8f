"""`sms wave check|start|stop|sync|cutover|verify|finish|limit|watch`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.api import ApiClient, on_api, segment
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, cell, err, print_json, size
from cli.wave_view import print_outcome, print_wave, rate, wave_json
from contracts.errors import MigrationError
from contracts.errors.cli import NO_CONSENT
from contracts.messages.wave import WaveAction, WaveDetails, WaveOutcome, WaveState, WaveView
from services.gateway.domain.wire.waves import WaveAct, WaveLimit

REFUSED_EXIT_CODE: Final = 4
_LINE_EVERY_S: Final = 10.0
_LOOK_EVERY_S: Final = 1.0


def register(app: typer.Typer) -> None:
    """Add the commands that act on a wave."""
    for name, command in (
        ("check", check),
        ("start", start),
        ("stop", stop),
        ("sync", sync),
        ("cutover", cutover),
        ("verify", verify),
        ("finish", finish),
        ("limit", limit),
        ("watch", watch),
    ):
        app.command(name)(command)


def check(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Say of each server whether it would start; nothing is changed. Exits with 4 when one would not."""
    found = on_api(data, lambda api: api.get(f"{_path(wave_id)}/check", WaveOutcome))
    _show(found, output)


def start(
    wave_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Agree that the targets' disks will be wiped.")] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Make the tasks that are missing and start them, or go on after a pause. Exits with 4 when one was refused."""
    question = "The disks of all new targets of this wave will be wiped. Start?"
    if not yes and (not sys.stdin.isatty() or not typer.confirm(question, err=True)):
        raise MigrationError(NO_CONSENT)
    _act(data, wave_id, WaveAct(action=WaveAction.START, has_consent=True), output)


def stop(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Stop whatever runs, and whatever waits for its turn. Nothing that was copied is lost."""
    _act(data, wave_id, WaveAct(action=WaveAction.STOP), output)


def sync(
    wave_id: str,
    overwrite_target: Annotated[
        bool, typer.Option("--overwrite-target", help="Also where a cutover has been: discards what was written since.")
    ] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Copy what has changed on the sources since the last round."""
    _act(data, wave_id, WaveAct(action=WaveAction.SYNC, overwrite_target=overwrite_target), output)


def cutover(
    wave_id: str,
    overwrite_target: Annotated[
        bool, typer.Option("--overwrite-target", help="Also where a cutover has been: discards what was written since.")
    ] = False,
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """One last round for all servers at once, then their targets start for good. Stop the sources' services first."""
    _act(data, wave_id, WaveAct(action=WaveAction.CUTOVER, overwrite_target=overwrite_target), output)


def verify(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Compare every replica with what was read of its source."""
    _act(data, wave_id, WaveAct(action=WaveAction.VERIFY), output)


def finish(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Turn the targets' disks into plain files and release everything temporary."""
    _act(data, wave_id, WaveAct(action=WaveAction.FINISH), output)


def limit(
    wave_id: str,
    rate_limit: Annotated[str, typer.Argument(metavar="RATE", help="Of each task, such as 100M (bit/s); 0 for none.")],
    data: DataOption = DEFAULT_DATA_FOLDER,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Limit the rate of each task from now on, also of those that run."""
    body = WaveLimit(rate_limit_bit_s=rate(rate_limit))
    _show(on_api(data, lambda api: api.put(f"{_path(wave_id)}/speed-limit", body, WaveOutcome)), output)


def watch(wave_id: str, data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Follow a wave until nothing of it runs. Exits with 4 when a server needs a person."""
    wave = on_api(data, lambda api: _follow(api, wave_id, is_quiet=output is OutputFormat.JSON))
    if output is OutputFormat.JSON:
        print_json(wave_json(wave))
    else:
        print_wave(wave)
    if wave.state is WaveState.ATTENTION:
        raise typer.Exit(REFUSED_EXIT_CODE)


async def _follow(api: ApiClient, wave_id: str, *, is_quiet: bool) -> WaveView:
    said_at, said = 0.0, ""
    while True:
        wave = (await api.get(_path(wave_id), WaveDetails)).wave
        line = _line(wave)
        is_due = err.is_terminal or time.monotonic() - said_at >= _LINE_EVERY_S
        if not is_quiet and line != said and is_due:
            err.print(cell(line))
            said_at, said = time.monotonic(), line
        if wave.state is not WaveState.RUNNING:
            return wave
        await asyncio.sleep(_LOOK_EVERY_S)


def _line(wave: WaveView) -> str:
    counts = ", ".join(f"{count} {phase}" for phase, count in wave.counts.items())
    waiting = sum(row.is_waiting for row in wave.rows)
    waits = f", {waiting} waiting" if waiting else ""
    return f"{wave.name}: {wave.percent} %, {size(wave.bytes_done)} of {size(wave.bytes_total)}, {counts}{waits}"


def _act(data: Path, wave_id: str, body: WaveAct, output: OutputFormat) -> None:
    _show(on_api(data, lambda api: api.post(f"{_path(wave_id)}/action", body, WaveOutcome)), output)


def _show(outcome: WaveOutcome, output: OutputFormat) -> None:
    print_outcome(outcome, is_json=output is OutputFormat.JSON)
    if any(item.outcome == "refused" for item in outcome.items):
        raise typer.Exit(REFUSED_EXIT_CODE)


def _path(wave_id: str) -> str:
    return f"/v3/waves/{segment(wave_id)}"
