"""The options that every command takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from cli.client import BusClient, connect
from cli.installation import DataFolder
from cli.output import OutputFormat

Outcome = TypeVar("Outcome")

DEFAULT_DATA_FOLDER = Path(".sms")

DataOption = Annotated[
    Path, typer.Option("--data", envvar="SMS_DATA", help="Data folder of the installation.", show_default=True)
]
OutputOption = Annotated[OutputFormat, typer.Option("--output", help="json has stable keys, for programs.")]


def on_bus(data: Path, work: Callable[[BusClient], Awaitable[Outcome]]) -> Outcome:
    """Connect with the operator credential of a data folder and do one piece of work."""

    async def connected() -> Outcome:
        async with connect(DataFolder.at(data)) as client:
            return await work(client)

    return asyncio.run(connected())
