"""Starts and ends an all-in-one: in this process, or as a supervisor of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from cli.installation import DataFolder, SupervisorState
from cli.output import err
from cli.settings import CommandLineSettings
from cli.supervisor.census import end_everything, processes_of
from cli.supervisor.lock import is_running, only_supervisor
from cli.supervisor.log_file import last_lines
from cli.supervisor.plan import Addresses, prepare
from cli.supervisor.run import HEALTHY_WITHIN_S, Supervisor
from contracts.errors import Failure, MigrationError
from contracts.errors.cli import ALREADY_RUNNING, NOT_HEALTHY

_POLL_S: Final = 0.1
# At worst: the host agent 60 s, a helper that writes out 60 s and its children 10 s, machines, services and bus.
_STOP_WITHIN_S: Final = 180.0


def run_here(folder: DataFolder, addresses: Addresses, changed: Callable[[SupervisorState], None]) -> None:
    """Supervise until Ctrl-C or SIGTERM. changed is called after every change of a process."""
    with only_supervisor(folder):
        plan = prepare(folder, addresses, CommandLineSettings())
        asyncio.run(Supervisor(folder, plan, changed=changed).run())
        end_everything(folder, power_down_s=plan.power_down_s)


def start_detached(folder: DataFolder, addresses: Addresses) -> None:
    """Start a supervisor that outlives this process; returns when everything is healthy.

    Raises MigrationError SMS.CLI.ALREADY_RUNNING, SMS.CLI.NOT_HEALTHY or what kept it from starting.
    """
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


def stop(folder: DataFolder) -> int:
    """End everything that runs for a data folder; returns how many target machines were stopped."""
    settings = CommandLineSettings()
    state = folder.state()
    machines = [process for process in processes_of(folder) if process.name().startswith("qemu-system")]
    if machines:
        err.print(f"stopping {len(machines)} target machine(s); their disks stay, and they can be launched again")
    if is_running(folder) and state is not None:
        subprocess.run(["kill", "-TERM", str(state.pid)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _STOP_WITHIN_S + settings.power_down_s
        while is_running(folder) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    end_everything(folder, power_down_s=settings.power_down_s)
    folder.save_state(SupervisorState(pid=0))
    return len(machines)
