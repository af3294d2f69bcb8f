"""The options that every command takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import OutputFormat

DEFAULT_DATA_FOLDER = Path(".sms")

DataOption = Annotated[
    Path, typer.Option("--data", envvar="SMS_DATA", help="Data folder of the installation.", show_default=True)
]
OutputOption = Annotated[OutputFormat, typer.Option("--output", help="json has stable keys, for programs.")]
