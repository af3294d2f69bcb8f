"""The helper: the target agent as a process with a mount namespace of its own and the temporary volume in it, or in a
virtual machine (`helper_vm`)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents.host.console import last_line, read_console
from agents.host.folders import TargetFolder
from agents.host.helper_vm.helper import (
    GUEST_LISTENS_ON,
    Enrolment,
    alarm_of,
    end_helper_vm,
    plug_disks,
    start_helper_vm,
    unplug_disks,
    vm_folder,
)
from agents.host.helper_vm.machine import free_port
from agents.host.helper_vm.need import HelperKind, choose_helper
from agents.host.loop_devices import detach_loops_below
from agents.host.processes import (
    ProcessIdentity,
    boot_id,
    end_processes,
    is_alive,
    processes_that_see,
    processes_with_argument,
    sees_mount,
    session_members,
    start_session,
)
from agents.host.records import read_record, write_record
from agents.host.settings import HostSettings
from agents.host.volume import create_volume, delete_volume, find_damage, load_marker, volume_path
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_HELPER_FAILED
from contracts.messages.agent import AttachedDisk
from contracts.messages.host import BootHostHelper, HostHelper

# The text is constant; everything that varies is an argument. The loop device has autoclear, so that it goes
# with the namespace, which goes with its last process: a kill of everything leaves nothing mounted.
_MOUNT_AND_RUN: Final = 'mount -o loop,nodev,nosuid "$1" "$2" && shift 2 && exec "$@"'
_STOP_GRACE_S: Final = 60.0
_CHILDREN_GRACE_S: Final = 5.0
# A mount waits for the loop devices of others: more than 10 s were seen on a busy machine.
_MOUNT_TIMEOUT_S: Final = 45.0
# A wrong argument or a disk that is in use ends QEMU within this time.
_QEMU_COMPLAINS_S: Final = 0.5


class HelperRecord(Model):
    """``helper/helper.json``: the helper that is to run, without the token. process: None until it was started.

    port: on which sources reach a helper VM.
    """

    task_id: str
    volume_id: str
    agent_id: str
    account: str
    process: ProcessIdentity | None = None
    restarts: int = 0
    kind: HelperKind = "process"
    port: int = 0


def load_helper(folder: TargetFolder) -> HelperRecord | None:
    """The helper that is to run; None when none is."""
    return read_record(folder.helper / "helper.json", HelperRecord)


def boot_helper(folder: TargetFolder, request: BootHostHelper, settings: HostSettings) -> HostHelper:
    """Make the volume, start the helper; one that runs with this volume is left alone.

    Raises MigrationError SMS.TARGET.VOLUME_LOST or HELPER_FAILED.
    """
    known = load_helper(folder)
    if known is not None and known.volume_id == request.volume_id and is_alive(known.process):
        return show_helper(folder, settings)
    if known is not None:
        stop_helper(folder)
    kind = choose_helper(request.helper, request.needs, settings)
    create_volume(folder, volume_id=request.volume_id, size_bytes=request.volume_size_bytes)
    record = HelperRecord(
        task_id=request.task_id,
        volume_id=request.volume_id,
        agent_id=request.agent_id,
        account=request.account,
        kind=kind,
        port=_port(known, settings) if kind == "vm" else 0,
    )
    write_record(folder.helper / "helper.json", record)
    try:
        _start(folder, record, settings, token_id=request.token_id, secret=request.secret)
    except MigrationError:
        stop_helper(folder)
        raise
    return show_helper(folder, settings)


def revive_helper(folder: TargetFolder, settings: HostSettings) -> bool:
    """Start a helper that has died again, with the same volume; without a token, since its key lies there.

    Returns whether it had to. One whose volume is lost stays down.
    """
    record = load_helper(folder)
    if record is None or is_alive(record.process) or volume_finding(folder):
        return False
    _sweep(folder, record)
    _start(folder, record.model_copy(update={"restarts": record.restarts + 1}), settings, token_id="", secret="")
    return True


def show_helper(folder: TargetFolder, settings: HostSettings) -> HostHelper:
    """How the helper and its volume are."""
    record, marker = load_helper(folder), load_marker(folder)
    finding = volume_finding(folder)
    process = record.process if record is not None else None
    is_vm = record is not None and record.kind == "vm"
    return HostHelper(
        is_running=is_alive(process),
        volume_id=marker.volume_id if marker is not None else "",
        is_volume_intact=not finding,
        cause=finding,
        process_id=process.pid if process is not None else 0,
        addresses=settings.helper_addresses,
        listen_address=GUEST_LISTENS_ON if is_vm else settings.helper_listen_address,
        restarts=record.restarts if record is not None else 0,
        helper=record.kind if record is not None else "process",
    )


def volume_finding(folder: TargetFolder) -> str:
    """What is wrong with the target's volume, or with who has it; "" when nothing is, or when there is none."""
    marker = load_marker(folder)
    return (find_damage(folder, marker) or alarm_of(folder)) if marker is not None else ""


def stop_helper(folder: TargetFolder) -> None:
    """End the helper with everything that it started, mounted or attached; its volume stays."""
    record = load_helper(folder)
    # The record goes first: a watcher that finds it dead must not start it again.
    (folder.helper / "helper.json").unlink(missing_ok=True)
    _sweep(folder, record)


def end_helper(folder: TargetFolder) -> None:
    """End a helper as stop_helper does, but keep its record: the host agent starts it again when it is back."""
    if folder.helper.exists():
        _sweep(folder, load_helper(folder))


def retire_helper_vm(folder: TargetFolder) -> None:
    """End a helper VM, which holds the disks of what is launched next; a helper process holds nothing by itself."""
    record = load_helper(folder)
    if record is not None and record.kind == "vm":
        stop_helper(folder)


def plug_layers(folder: TargetFolder, layers: Sequence[AttachedDisk]) -> None:
    """Give a helper VM the replica's newest layers and these. Raises MigrationError SMS.TARGET.DISKS_BUSY."""
    record = load_helper(folder)
    if record is not None and record.kind == "vm":
        plug_disks(folder, record.process, layers)


def unplug_all(folder: TargetFolder) -> None:
    """Take a helper VM's disks away. Raises MigrationError SMS.TARGET.DISKS_BUSY."""
    record = load_helper(folder)
    if record is not None and record.kind == "vm":
        unplug_disks(folder, record.process)


def release_volume(folder: TargetFolder) -> None:
    """Remove the volume of a stopped helper, its log and its folder."""
    delete_volume(folder)
    shutil.rmtree(folder.helper, ignore_errors=True)


def _start(folder: TargetFolder, record: HelperRecord, settings: HostSettings, *, token_id: str, secret: str) -> None:
    if record.kind == "vm":
        _start_vm(folder, record, settings, token_id=token_id, secret=secret)
        return
    state = folder.helper / "state"
    state.mkdir(exist_ok=True)
    volume = volume_path(folder, record.volume_id)
    argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _MOUNT_AND_RUN, "helper"]
    argv += [str(volume), str(state), *settings.helper_command]
    log = folder.helper / "helper.log"
    configuration = _configuration(folder, record, settings, token_id=token_id, secret=secret)
    try:
        process = start_session(argv, log=log, configuration=configuration)
    except OSError as error:
        raise MigrationError(TARGET_HELPER_FAILED, target_id=folder.target_id, reason=error, log=log) from error
    write_record(folder.helper / "helper.json", record.model_copy(update={"process": process}))
    _await_mount(folder, process, log)


def _start_vm(
    folder: TargetFolder, record: HelperRecord, settings: HostSettings, *, token_id: str, secret: str
) -> None:
    enrolment = Enrolment(
        account=record.account, agent_id=record.agent_id, task_id=record.task_id, token_id=token_id, secret=secret
    )
    volume, log = volume_path(folder, record.volume_id), vm_folder(folder) / "qemu.log"
    try:
        process = start_helper_vm(folder, settings, enrolment, volume=volume, port=record.port)
    except OSError as error:
        raise MigrationError(TARGET_HELPER_FAILED, target_id=folder.target_id, reason=error, log=log) from error
    write_record(folder.helper / "helper.json", record.model_copy(update={"process": process}))
    time.sleep(_QEMU_COMPLAINS_S)
    if not is_alive(process):
        reason = last_line(read_console(log)) or "QEMU ended at once"
        raise MigrationError(TARGET_HELPER_FAILED, target_id=folder.target_id, reason=reason, log=log)


def _port(known: HelperRecord | None, settings: HostSettings) -> int:
    """The same over restarts, so that a source that has lost the link finds it again."""
    return known.port if known is not None and known.port else free_port(settings.helper_listen_address)


def _await_mount(folder: TargetFolder, process: ProcessIdentity, log: Path) -> None:
    """Wait until the helper has its volume. Raises MigrationError SMS.TARGET.HELPER_FAILED with its last words."""
    deadline = time.monotonic() + _MOUNT_TIMEOUT_S
    while not sees_mount(process.pid, folder.helper / "state"):
        has_ended = not is_alive(process)
        if has_ended or time.monotonic() > deadline:
            silence = "it ended without a word" if has_ended else f"no volume mounted within {_MOUNT_TIMEOUT_S:.0f} s"
            reason = last_line(read_console(log)) or silence
            raise MigrationError(TARGET_HELPER_FAILED, target_id=folder.target_id, reason=reason, log=log)
        time.sleep(0.01)


def _configuration(
    folder: TargetFolder, record: HelperRecord, settings: HostSettings, *, token_id: str, secret: str
) -> bytes:
    """What the target agent reads from its standard input: the local provider's metadata service."""
    ca_file = settings.helper_ca_file or settings.bus_ca_file
    return json.dumps(
        {
            "bus_url": settings.helper_bus_url or settings.bus_url,
            "ca_pem": ca_file.read_text(encoding="ascii") if ca_file is not None else "",
            "account": record.account,
            "agent_id": record.agent_id,
            "task_id": record.task_id,
            "token_id": token_id,
            "token_secret": secret,
            "state_folder": str(folder.helper / "state"),
        }
    ).encode()


def _sweep(folder: TargetFolder, record: HelperRecord | None) -> None:
    """End what is left of a helper: its session, whatever sees its state folder mounted, and its loop devices.

    By its mount and arguments too, since a kill may have come between the start and the record of it.
    """
    state = folder.helper / "state"
    process = record.process if record is not None else None
    if record is not None and record.kind == "vm":
        end_helper_vm(folder, process)
    elif process is not None and is_alive(process):
        # The agent alone first: it writes out, unmounts and ends what exports its disks. Ended together with it,
        # the exports would be gone before the last writes.
        end_processes([process.pid], grace_s=_STOP_GRACE_S)
    of_vm = processes_with_argument(str(vm_folder(folder) / "qemu.pid"))
    members = {*processes_that_see(state), *processes_with_argument(str(state)), *of_vm}
    if process is not None and process.boot_id == boot_id():
        members |= set(session_members(process.pid))
    end_processes(sorted(members), grace_s=_CHILDREN_GRACE_S)
    detach_loops_below(folder.path)
