"""`sms up`, `sms down`, `sms status`: the all-in-one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.api import on_api
from cli.installation import DataFolder, ProcessState, SupervisorState
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, out, print_fields, print_json, print_table
from cli.profile_file import chosen, chosen_profile
from cli.supervisor.lock import is_running
from contracts.api_views import InstallationStatus
from contracts.errors import Failure


def register(app: typer.Typer) -> None:
    """Add the three commands to the program."""
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)


def up(
    data: DataOption = DEFAULT_DATA_FOLDER,
    listen: Annotated[
        str,
        typer.Option(
            help="HOST:PORT of the HTTPS API; port 0: any free one. [default: as last time, or 127.0.0.1:8443]"
        ),
    ] = "",
    bus_listen: Annotated[
        str, typer.Option(help="HOST:PORT of the bus; port 0: any free one. [default: as last time, or 127.0.0.1:4222]")
    ] = "",
    advertise: Annotated[str, typer.Option(help="Host name or address under which sources reach the bus.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Return when everything is healthy.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Start SMS on this machine: bus, services and host agent, with all data in one folder."""
    # Only here: no other command waits for the parts that a supervisor needs.
    from cli.supervisor.plan import Addresses
    from cli.supervisor.start_stop import run_here, start_detached

    folder = DataFolder.at(data)
    addresses = Addresses(bus_listen=bus_listen, advertise=advertise, api_listen=listen)
    if detach:
        start_detached(folder, addresses)
        _print_status(folder, output)
        return
    run_here(folder, addresses, _Announcer(folder).show)


def down(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Stop everything that runs for a data folder. Tasks keep their state and copies; `sms up` goes on with them."""
    from cli.supervisor.start_stop import stop

    folder = DataFolder.at(data)
    folder.installation()
    machines = stop(folder)
    if output is OutputFormat.JSON:
        print_json({"is_running": False, "stopped_machines": machines})
        return
    out.print("stopped")


def status(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show what runs, and where sources reach it; of another machine (--profile) which services are healthy."""
    if chosen().is_elsewhere:
        _print_remote_status(data, output)
    else:
        _print_status(DataFolder.at(data), output)


def _print_status(folder: DataFolder, output: OutputFormat) -> None:
    installation = folder.installation()
    state = folder.state() or SupervisorState(pid=0)
    alive = is_running(folder)
    processes = state.processes if alive else tuple(_stopped(process) for process in state.processes)
    if output is OutputFormat.JSON:
        print_json(
            {
                "is_running": alive,
                "bus_url": installation.bus_url,
                "local_bus_url": installation.local_bus_url,
                "api_url": installation.api_url,
                "ca_file": str(installation.ca_file),
                "services": [process.model_dump() for process in processes],
            }
        )
        return
    print_fields(
        {
            "running": alive,
            "API": installation.api_url,
            "bus": installation.bus_url,
            "certificate authority": installation.ca_file,
            "data folder": folder.path,
        }
    )
    if processes:
        print_table(
            ("service", "state", "pid", "restarts"),
            ((process.name, process.state, process.pid or "", process.restarts) for process in processes),
        )


def _print_remote_status(data: Path, output: OutputFormat) -> None:
    found = on_api(data, lambda api: api.get("/v3/status", InstallationStatus))
    url = chosen_profile(data).endpoint
    if output is OutputFormat.JSON:
        print_json({"api_url": url} | found.model_dump(mode="json"))
        return
    print_fields({"healthy": found.is_healthy, "API": url})
    print_table(("service", "healthy"), ((one.name, one.is_healthy) for one in found.services))


def _stopped(process: ProcessState) -> ProcessState:
    return process.model_copy(update={"state": "stopped", "pid": None})


class _Announcer:
    """Tells a user at a terminal, once, that everything is up."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._has_spoken = False

    def show(self, state: SupervisorState) -> None:
        """Called after every change."""
        if self._has_spoken:
            return
        if state.problem:
            self._has_spoken = True
            failure = Failure.model_validate_json(state.problem)
            out.print(f"{failure.code}: {failure.cause}\n{failure.remedy}", markup=False)
        elif state.is_complete:
            self._has_spoken = True
            _print_status(self._folder, OutputFormat.TABLE)
            out.print("Ctrl-C stops it.")
