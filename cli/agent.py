"""`sms agent`: the agent's own command line, for a machine on which SMS itself is installed."""

from __future__ import annotations

import os
import sys

import typer

app = typer.Typer(help="The agent on a source server.", no_args_is_help=True)

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _become_agent(verb: str, context: typer.Context) -> None:
    """The agent takes this process over, so that signals reach it and its exit status is ours."""
    os.execv(sys.executable, [sys.executable, "-m", "agents.main", verb, *context.args])  # noqa: S606 - no shell


@app.command("run", context_settings=_PASS_ON, add_help_option=False)
def run(context: typer.Context) -> None:
    """Run the agent in the foreground; the options are those of the one-file agent (`sms agent run --help`)."""
    _become_agent("run", context)


@app.command("install", context_settings=_PASS_ON, add_help_option=False)
def install(context: typer.Context) -> None:
    """Install the agent on this machine as a service that starts at boot."""
    _become_agent("install", context)


@app.command("uninstall", context_settings=_PASS_ON, add_help_option=False)
def uninstall(context: typer.Context) -> None:
    """Remove the agent's service, program, data and credentials from this machine."""
    _become_agent("uninstall", context)
