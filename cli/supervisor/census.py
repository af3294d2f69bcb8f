"""Which processes stem from a data folder, and how they end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from agents.host.processes import end_processes
from agents.host.shutdown import end_targets
from cli.installation import DataFolder

_GENTLY_S = 10.0


def processes_of(folder: DataFolder) -> list[psutil.Process]:
    """Everything that a supervisor of this folder has started, target machines included; never the caller.

    Told by the mark in the environment, which children and their children inherit, or, for a program that was
    started with an empty environment, by a path of the targets' folder among its arguments.
    """
    mark = f"SMS_INSTALLATION={folder.path}".encode()
    targets = f"{folder.path}/targets/"
    found = []
    for process in psutil.process_iter():
        if process.pid in {os.getpid(), os.getppid()}:
            continue
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            is_ours = mark in environment or (
                process.name().startswith("qemu-") and any(targets in argument for argument in process.cmdline())
            )
        except (OSError, psutil.Error):
            continue
        if is_ours:
            found.append(process)
    return found


def end_everything(folder: DataFolder, *, power_down_s: float) -> None:
    """End what a supervisor has left behind, or what is left of one that was killed, in the supervisor's order."""
    _end([process for process in processes_of(folder) if _is_host_agent(process)])
    if os.geteuid() == 0:
        end_targets(folder.path, power_down_s=power_down_s)
    _end(processes_of(folder))


def _end(processes: Sequence[psutil.Process]) -> None:
    # Not psutil's own wait: it takes a process that its parent has not collected yet for a live one, and the orphans
    # of a killed supervisor belong to the first process, which in a container may be slow to collect or never does.
    end_processes([process.pid for process in processes], grace_s=_GENTLY_S)


def _is_host_agent(process: psutil.Process) -> bool:
    try:
        return "agents.host" in process.cmdline()
    except psutil.Error:
        return False
