"""A helper VM for a task: what its metadata says, which disks it has, and its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.host.folders import TargetFolder
from agents.host.helper_vm.disks import plug
from agents.host.helper_vm.machine import BUS_ADDRESS, bus_port, bus_server_name, end_machine, start_machine
from agents.host.helper_vm.metadata import alarm_file, enrolment_of, write_metadata
from agents.host.processes import ProcessIdentity, is_alive
from agents.host.replica import load_replica, top_layers
from agents.host.settings import HostSettings
from contracts.base import Model
from contracts.messages.agent import AttachedDisk

GUEST_STATE: Final = "/var/lib/sms-helper"
GUEST_LISTENS_ON: Final = "0.0.0.0"  # noqa: S104 - in the guest, which one forwarded port leads into
_ALARM: Final = "somebody in its helper asked for the one-time enrolment token a second time"


class Enrolment(Model):
    """Who the agent in the VM is, and the one-time token with which it proves it; "" after a restart."""

    account: str
    agent_id: str
    task_id: str
    token_id: str = ""
    secret: str = ""


def vm_folder(folder: TargetFolder) -> Path:
    """Console log, monitor and metadata of the target's helper VM."""
    return folder.helper / "vm"


def start_helper_vm(
    folder: TargetFolder, settings: HostSettings, enrolment: Enrolment, *, volume: Path, port: int
) -> ProcessIdentity:
    """Boot it with the target's replica disks. Raises MigrationError SMS.TARGET.HELPER_IMAGE, OSError."""
    home = vm_folder(folder)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    order = {"serve": _configuration(settings, enrolment, port=port), "has_enrolment": bool(enrolment.token_id)}
    write_metadata(
        home / "metadata.json",
        configuration=json.dumps(order),
        enrolment=enrolment_of(enrolment.token_id, enrolment.secret),
    )
    return start_machine(home, settings, volume=volume, disks=_replica_disks(folder), port=port)


def end_helper_vm(folder: TargetFolder, process: ProcessIdentity | None) -> None:
    """Let the agent write out what it has and the guest power off."""
    end_machine(vm_folder(folder), process)


def plug_disks(folder: TargetFolder, process: ProcessIdentity | None, layers: Sequence[AttachedDisk]) -> None:
    """The replica's newest layers and these disks, and nothing else. A VM that has ended gets them when it starts.

    Raises MigrationError SMS.TARGET.DISKS_BUSY.
    """
    if is_alive(process):
        _plug(folder, process, (*_replica_disks(folder), *layers))


def unplug_disks(folder: TargetFolder, process: ProcessIdentity | None) -> None:
    """Leave the VM its own two disks: what it had is frozen next. Raises MigrationError SMS.TARGET.DISKS_BUSY."""
    if is_alive(process):
        _plug(folder, process, ())


def alarm_of(folder: TargetFolder) -> str:
    """Why the helper must not be trusted any more; "" for no reason."""
    return _ALARM if alarm_file(vm_folder(folder) / "metadata.json").exists() else ""


def _plug(folder: TargetFolder, process: ProcessIdentity | None, disks: Sequence[AttachedDisk]) -> None:
    try:
        plug(vm_folder(folder) / "monitor.sock", disks)
    except OSError:
        # It died just now, and holds nothing.
        if is_alive(process):
            raise


def _replica_disks(folder: TargetFolder) -> tuple[AttachedDisk, ...]:
    return top_layers(folder, load_replica(folder))


def _configuration(settings: HostSettings, enrolment: Enrolment, *, port: int) -> dict[str, object]:
    """HelperConfiguration, without the secret."""
    ca_file = settings.helper_ca_file or settings.bus_ca_file
    ca_pem = ""
    with suppress(FileNotFoundError):
        ca_pem = ca_file.read_text(encoding="ascii") if ca_file is not None else ""
    return {
        "bus_url": f"tls://{BUS_ADDRESS}:{bus_port(settings)}",
        "bus_server_name": bus_server_name(settings),
        "ca_pem": ca_pem,
        "account": enrolment.account,
        "agent_id": enrolment.agent_id,
        "task_id": enrolment.task_id,
        "state_folder": GUEST_STATE,
        "has_devices": True,
        "listen_port": port,
    }
