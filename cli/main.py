"""The `sms` command: parses, runs one command, and turns every failure into a message and an exit status."""

from __future__ import annotations

import logging
import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from cli import (
    account,
    agent,
    audit,
    audit_export,
    completion,
    contracts_export,
    cost,
    credential,
    group,
    notification,
    point,
    policy,
    profile,
    project,
    server,
    server_list,
    server_log,
    task,
    template,
    up_down,
    user,
    wave,
)
from cli.failures import INTERRUPTED_EXIT_CODE, exit_code_of, record_unexpected, show_failure, show_usage_error
from cli.profile_file import Choice, choose
from cli.settings import CommandLineSettings
from contracts.errors import MigrationError

app = typer.Typer(
    name="sms",
    help="Move live servers onto new servers with minutes of downtime.\n\n"
    "Exit status: 0 done · 1 failed · 2 usage · 3 not found · 4 refused · 5 not authorised · 6 unavailable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
up_down.register(app)
app.add_typer(account.app, name="account")
app.add_typer(user.app, name="user")
app.add_typer(group.app, name="group")
app.add_typer(policy.app, name="policy")
app.add_typer(credential.app, name="credential")
server_list.register(server.app)
server_log.register(server.app)
app.add_typer(server.app, name="server")
app.add_typer(task.app, name="task")
app.add_typer(wave.app, name="wave")
app.add_typer(template.app, name="template")
app.add_typer(project.app, name="project")
app.add_typer(point.app, name="point")
audit_export.register(audit.app)
app.add_typer(audit.app, name="audit")
app.add_typer(cost.app, name="cost")
app.add_typer(notification.app, name="notification")
app.add_typer(profile.app, name="profile")
app.add_typer(agent.app, name="agent")
app.add_typer(contracts_export.app, name="contracts")
completion.register(app)


@app.callback()
def _root(
    profile_name: Annotated[
        str, typer.Option("--profile", envvar="SMS_PROFILE", help="Profile to use, or a file with a slash in its path.")
    ] = "",
    endpoint: Annotated[
        str, typer.Option("--endpoint", envvar="SMS_ENDPOINT", help="https://HOST:PORT instead of the profile's.")
    ] = "",
) -> None:
    """Remember where this command line goes."""
    choose(Choice(profile=profile_name, endpoint=endpoint))


def main() -> None:
    """The entry point of the program."""
    # asyncio's remarks on closed TLS connections are nothing that a user can act on.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit status."""
    try:
        outcome = app(arguments, standalone_mode=False)
    except MigrationError as error:
        show_failure(error.failure)
        return exit_code_of(error.failure)
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED_EXIT_CODE
    except TyperException as error:
        return show_usage_error(error)
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted; a second failure at exit would only be noise.
        sys.stderr.close()
        return 0
    except Exception as error:  # noqa: BLE001 - the edge of the process: nothing leaves it as a traceback
        failure = record_unexpected(error, _data_folder(arguments))
        show_failure(failure)
        return exit_code_of(failure)
    return outcome if isinstance(outcome, int) else 0


def _data_folder(arguments: list[str]) -> Path:
    for option, value in pairwise(arguments):
        if option == "--data":
            return Path(value)
    return CommandLineSettings().data
