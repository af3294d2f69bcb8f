"""How a failure reaches the user: cause and remedy on stderr, the code's exit status, never a traceback."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from rich.text import Text
from typer.exceptions import TyperException

from cli.api_answers import STATUS_PARAMETER
from cli.output import cell, err
from contracts.errors import Failure
from contracts.errors.catalogue import load_catalogue
from contracts.errors.cli import INTERNAL, USAGE

INTERRUPTED_EXIT_CODE = 130
UNAVAILABLE_EXIT_CODE = 6
_EXIT_CODES = {"400": 2, "401": 5, "403": 5, "404": 3, "409": 4, "503": 6, "504": 6}


def exit_code_of(failure: Failure) -> int:
    """The exit status of a failure; of a code that this version does not know that of the HTTP status."""
    code = load_catalogue().get(failure.code)
    return code.exit_code if code else _EXIT_CODES.get(failure.parameters.get(STATUS_PARAMETER, ""), 1)


def show_failure(failure: Failure) -> None:
    """Code, cause and remedy on stderr."""
    err.print(Text("error  ", style="bold red"), cell(failure.code), sep="")
    for name, text in (("cause", failure.cause), ("remedy", failure.remedy)):
        for number, line in enumerate(text.splitlines() or [""]):
            err.print(Text(f"{name if number == 0 else '':<8}", style="bold"), cell(line), sep="")


def show_usage_error(error: TyperException) -> int:
    """What was wrong with the command line, on stderr; returns the exit status."""
    text = error.format_message()
    if "\n" in text:
        # A group without a command: the text is its help.
        err.print(text, markup=False)
        return error.exit_code
    context = getattr(error, "ctx", None)
    failure = USAGE.failure(reason=text, command=context.command_path if context else "sms")
    show_failure(failure)
    return exit_code_of(failure)


def record_unexpected(error: Exception, folder: Path) -> Failure:
    """Write the traceback into a log file below the data folder, or below the current one, and name it."""
    logs = folder / "logs"
    log_file = (logs if logs.is_dir() and os.access(logs, os.W_OK) else Path.cwd()) / "command-line.log"
    entry = time.strftime("%Y-%m-%dT%H:%M:%S%z ") + "".join(traceback.format_exception(error))
    try:
        with log_file.open("a", encoding="utf-8") as stream:
            stream.write(entry)
    except OSError:
        return INTERNAL.failure(kind=type(error).__name__, log_file="no file, as none could be written")
    return INTERNAL.failure(kind=type(error).__name__, log_file=log_file)
