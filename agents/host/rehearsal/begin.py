"""Beginning a rehearsal, looking at it, and leaving nothing of it but its logs."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime

from agents.host.folders import TargetFolder
from agents.host.layers import create_launch_layer, delete_launch_layer
from agents.host.processes import (
    boot_id,
    end_processes,
    is_alive,
    processes_with_argument,
    session_members,
    start_session,
)
from agents.host.records import read_record, write_record
from agents.host.rehearsal.records import CONSOLE, RECORD, REPORT, RehearsalOrder, RehearsalRecord
from agents.host.settings import HostSettings
from contracts.errors import MigrationError
from contracts.errors.rehearsal import REHEARSAL_INTERRUPTED
from contracts.errors.target import TARGET_HOST_TOOL_FAILED, TARGET_UNKNOWN
from contracts.messages.host import HostRehearsal, RehearseHostPoint
from contracts.rehearsal import RehearsalReport

_GRACE_S = 10.0


def begin_rehearsal(folder: TargetFolder, request: RehearseHostPoint, settings: HostSettings) -> HostRehearsal:
    """Make the layer and start the rehearsal's process; one that was begun is only looked at.

    Raises MigrationError SMS.TARGET.UNKNOWN for a point that there is not, SMS.TARGET.HOST_TOOL.
    """
    home = folder.rehearsal(request.rehearsal_id)
    known = read_record(home / RECORD, RehearsalRecord)
    if known is not None and known.process is not None:
        return show_rehearsal(folder, request.rehearsal_id)
    create_launch_layer(folder, layer_id=request.rehearsal_id, point_id=request.point_id)
    home.mkdir(parents=True, exist_ok=True)
    # Started just before a kill, and never written down: it has the layer.
    end_processes(processes_with_argument(str(home)), grace_s=_GRACE_S)
    record = RehearsalRecord(point_id=request.point_id, started_at=time.time())
    write_record(home / RECORD, record)
    order = RehearsalOrder(folder=folder.path, request=request, settings=settings)
    argv = [sys.executable, "-m", "agents.host.rehearsal", str(home)]
    try:
        process = start_session(argv, log=home / "rehearsal.log", configuration=order.model_dump_json().encode())
    except OSError as error:
        raise MigrationError(TARGET_HOST_TOOL_FAILED, tool=argv[0], reason=error) from error
    write_record(home / RECORD, record.model_copy(update={"process": process}))
    return HostRehearsal(rehearsal_id=request.rehearsal_id)


def show_rehearsal(folder: TargetFolder, rehearsal_id: str) -> HostRehearsal:
    """The report once there is one; a process that ended without one is red. Raises SMS.TARGET.UNKNOWN."""
    home = folder.rehearsal(rehearsal_id)
    record = read_record(home / RECORD, RehearsalRecord)
    if record is None:
        raise MigrationError(TARGET_UNKNOWN, kind="rehearsal", id=rehearsal_id, target_id=folder.target_id)
    alive = is_alive(record.process)
    report = read_record(home / REPORT, RehearsalReport)
    if report is None and not alive:
        reason = "its process has ended; the end of its log is in " + str(home / "rehearsal.log")
        report = RehearsalReport(
            verdict="red",
            failures=(REHEARSAL_INTERRUPTED.failure(reason=reason),),
            point_id=record.point_id,
            started_at=datetime.fromtimestamp(record.started_at, UTC),
            seconds=round(time.time() - record.started_at, 3),
            console_path=str(home / CONSOLE),
        )
    return HostRehearsal(rehearsal_id=rehearsal_id, report=report)


def end_rehearsal(folder: TargetFolder, rehearsal_id: str) -> None:
    """End what runs of it and remove its layer. Safe to repeat."""
    stop_rehearsal(folder, rehearsal_id)
    delete_launch_layer(folder, rehearsal_id)
    home = folder.rehearsal(rehearsal_id)
    shutil.rmtree(home / "work", ignore_errors=True)
    for name in (
        "vm/monitor.sock",
        "vm/console.sock",
        "vm/metadata.json",
        "monitor.sock",
        "probe.sock",
        "qemu.pid",
        "uefi-variables.fd",
    ):
        (home / name).unlink(missing_ok=True)


def stop_rehearsal(folder: TargetFolder, rehearsal_id: str) -> None:
    """End its processes; what they were is still known."""
    home = folder.rehearsal(rehearsal_id)
    record = read_record(home / RECORD, RehearsalRecord)
    process = record.process if record is not None else None
    members = {*processes_with_argument(str(home)), *processes_with_argument(str(home / "vm/qemu.pid"))}
    if process is not None and process.boot_id == boot_id():
        members |= set(session_members(process.pid))
    end_processes(sorted(members), grace_s=_GRACE_S)


def is_rehearsing(folder: TargetFolder, rehearsal_id: str) -> bool:
    """Whether its process runs."""
    record = read_record(folder.rehearsal(rehearsal_id) / RECORD, RehearsalRecord)
    return record is not None and is_alive(record.process)
