"""`sms up`, `sms down`, `sms status`: the all-in-one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cli.api import on_api
from cli.installation import DataFolder, ProcessState, SupervisorState
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, err, out, print_fields, print_json, print_table
from cli.profile_file import chosen, chosen_profile
from cli.settings import CommandLineSettings
from cli.supervisor.census import end_everything, processes_of
from cli.supervisor.log_file import last_lines
from cli.supervisor.plan import Addresses, prepare
from cli.supervisor.run import HEALTHY_WITHIN_S, Supervisor, is_running, only_supervisor
from contracts.api_views import InstallationStatus
from contracts.errors import Failure, MigrationError
from contracts.errors.cli import ALREADY_RUNNING, NOT_HEALTHY

_POLL_S = 0.1
# At worst: the host agent 60 s, a helper that writes out 60 s and its children 10 s, machines, services and bus.
_STOP_WITHIN_S = 180.0


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
    folder = DataFolder.at(data)
    addresses = Addresses(bus_listen=bus_listen, advertise=advertise, api_listen=listen)
    if detach:
        _start_detached(folder, addresses)
        _print_status(folder, output)
        return
    with only_supervisor(folder):
        plan = prepare(folder, addresses, CommandLineSettings())
        shown = _Announcer(folder)
        asyncio.run(Supervisor(folder, plan, changed=shown.show).run())
        end_everything(folder, power_down_s=plan.power_down_s)


def down(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Stop everything that runs for a data folder. Tasks keep their state and copies; `sms up` goes on with them."""
    folder = DataFolder.at(data)
    folder.installation()
    settings = CommandLineSettings()
    state = folder.state()
    machines = [process for process in processes_of(folder) if process.name().startswith("qemu-system")]
    if machines:
        err.print(f"stopping {len(machines)} target machine(s); their disks stay, and they can be launched again")
    if is_running(folder) and state is not None:
        _terminate(state.pid)
        deadline = time.monotonic() + _STOP_WITHIN_S + settings.power_down_s
        while is_running(folder) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    end_everything(folder, power_down_s=settings.power_down_s)
    folder.save_state(SupervisorState(pid=0))
    if output is OutputFormat.JSON:
        print_json({"is_running": False, "stopped_machines": len(machines)})
        return
    out.print("stopped")


def status(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show what runs, and where sources reach it; of another machine (--profile) which services are healthy."""
    if chosen().is_elsewhere:
        _print_remote_status(data, output)
    else:
        _print_status(DataFolder.at(data), output)


def _start_detached(folder: DataFolder, addresses: Addresses) -> None:
    if is_running(folder):
        state = folder.state()
        raise MigrationError(ALREADY_RUNNING, folder=folder.path, pid=state.pid if state else "unknown")
    folder.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.path.chmod(0o700)
    folder.state_file.unlink(missing_ok=True)
    log_file = folder.log_file("supervisor")
    command = [sys.executable, "-m", "cli.supervisor", str(folder.path)]
    command += [addresses.bus_listen, addresses.advertise, addresses.api_listen]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    # The supervisor gives up first and says why; this is for one that says nothing any more.
    deadline = time.monotonic() + HEALTHY_WITHIN_S + 10
    while time.monotonic() < deadline:
        state = folder.state()
        if state is not None and state.is_complete:
            return
        if state is not None and state.problem:
            process.terminate()
            process.wait(_STOP_WITHIN_S)
            raise MigrationError(Failure.model_validate_json(state.problem))
        if process.poll() is not None:
            break
        time.sleep(_POLL_S)
    process.terminate()
    raise MigrationError(
        NOT_HEALTHY,
        seconds=f"{HEALTHY_WITHIN_S:.0f}",
        names="the supervisor itself",
        log_file=log_file,
        log_tail=last_lines(log_file) or "(empty)",
    )


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


def _terminate(pid: int) -> None:
    subprocess.run(["kill", "-TERM", str(pid)], stderr=subprocess.DEVNULL)


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
