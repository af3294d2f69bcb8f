"""Machines: QEMU started from a launch layer in a session of its own, so that it outlives the host agent."""

from __future__ import annotations

import hashlib
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from agents.host.acceleration import Accelerator, choose_accelerator, processor_arguments
from agents.host.flattened import bootable_disks
from agents.host.folders import TargetFolder
from agents.host.machine_disks import disk_arguments
from agents.host.processes import (
    ProcessIdentity,
    end_processes,
    identify,
    is_alive,
    processes_with_argument,
    start_session,
)
from agents.host.qmp import Monitor
from agents.host.records import read_record, write_record
from agents.host.settings import HostSettings
from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.launch import LAUNCH_NO_FIRMWARE
from contracts.errors.target import TARGET_HOST_TOOL_FAILED
from contracts.messages.agent import AttachedDisk
from contracts.messages.host import LaunchHostMachine
from contracts.messages.target_provisioner import PortForward

_UEFI_CODE: Final = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
_UEFI_VARIABLES: Final = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


class MachineRecord(Model):
    """``machines/ID/machine.json``. started_at: Unix seconds. process: None until it was started."""

    request: LaunchHostMachine
    ports: tuple[PortForward, ...]
    accelerator: Accelerator
    started_at: float
    process: ProcessIdentity | None = None


def load_machine(folder: TargetFolder, layer_id: str) -> MachineRecord | None:
    """The machine that was started from a layer; None when none was, or when it was stopped."""
    return read_record(folder.machine(layer_id) / "machine.json", MachineRecord)


def console_path(folder: TargetFolder, layer_id: str) -> Path:
    """The log of the machine's serial console; it stays when layer and machine have gone."""
    return folder.machine(layer_id) / "console.log"


def launch(folder: TargetFolder, request: LaunchHostMachine, settings: HostSettings) -> MachineRecord:
    """Start the machine, or find the one that was started. One that has ended by itself is not started again:
    its end is what show-machine tells.

    Raises MigrationError SMS.TARGET.UNKNOWN, SMS.LAUNCH.NO_FIRMWARE, SMS.TARGET.HOST_TOOL.
    """
    known = load_machine(folder, request.layer_id)
    if known is not None and known.process is not None:
        return known
    home = folder.machine(request.layer_id)
    disks = bootable_disks(folder, request.layer_id)
    home.mkdir(parents=True, exist_ok=True)
    # One that was started just before a kill, and never written down, would hold the disks' locks.
    end_processes(processes_with_argument(_pid_file(home)), grace_s=2)
    console_path(folder, request.layer_id).unlink(missing_ok=True)
    record = MachineRecord(
        request=request,
        ports=tuple(_with_host_port(forward) for forward in request.forwards),
        accelerator=choose_accelerator(settings),
        started_at=time.time(),
    )
    write_record(home / "machine.json", record)
    argv = [*machine_arguments(record, disks, home=home), *firmware_arguments(request, home)]
    try:
        process = start_session(argv, log=home / "qemu.log", folder=home)
    except OSError as error:
        raise MigrationError(TARGET_HOST_TOOL_FAILED, tool=argv[0], reason=error) from error
    record = record.model_copy(update={"process": process})
    write_record(home / "machine.json", record)
    return record


def machine_arguments(record: MachineRecord, disks: tuple[AttachedDisk, ...], *, home: Path) -> list[str]:
    """QEMU's command line: disks in their order on virtio, one card, the serial console into a log."""
    request = record.request
    # graphics=off makes SeaBIOS, and with it a boot loader's prompt, speak on the serial port as well.
    argv = ["qemu-system-x86_64", "-name", f"sms-{request.target_id}", "-machine", "pc,graphics=off"]
    argv += processor_arguments(record.accelerator, request.cpu_count)
    argv += ["-m", str(request.memory_bytes >> 20)]
    argv += ["-nodefaults", "-vga", "std", "-display", "none", "-rtc", "base=utc", "-device", "virtio-rng-pci"]
    argv += ["-chardev", "file,id=console,path=console.log", "-serial", "chardev:console"]
    argv += ["-qmp", "unix:monitor.sock,server=on,wait=off", "-pidfile", _pid_file(home)]
    for index, disk in enumerate(disks):
        argv += disk_arguments(index, disk)
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{port.host_port}-:{port.target_port}" for port in record.ports)
    # A target boots from its disks or not at all: the network is never asked for a system.
    argv += ["-boot", "strict=on"]
    restrict = "on" if request.is_isolated else "off"
    argv += ["-netdev", f"user,id=net0,restrict={restrict}{forwards}"]
    argv += ["-device", f"virtio-net-pci,netdev=net0,romfile=,mac={mac_address(request.target_id)}"]
    return argv


def mac_address(target_id: str) -> str:
    """The card's address: the same for every launch of a target, in QEMU's own range."""
    digest = hashlib.sha256(target_id.encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def is_running(folder: TargetFolder, layer_id: str) -> bool:
    """Whether a machine runs from this layer."""
    record = load_machine(folder, layer_id)
    return record is not None and is_alive(record.process)


def stop_machine(folder: TargetFolder, layer_id: str, *, timeout_s: float) -> None:
    """End the machine for good: nothing of it is left but its console log."""
    end_machine(folder, layer_id, timeout_s=timeout_s)
    for name in ("machine.json", "monitor.sock", "qemu.pid"):
        (folder.machine(layer_id) / name).unlink(missing_ok=True)


def end_machine(folder: TargetFolder, layer_id: str, *, timeout_s: float) -> None:
    """Press the power button, wait, pull the plug. Its record stays, and tells that it ran."""
    home = folder.machine(layer_id)
    record = load_machine(folder, layer_id)
    process = record.process if record is not None else None
    if is_alive(process) and timeout_s > 0:
        with suppress(OSError), Monitor(home / "monitor.sock") as monitor:
            monitor.execute("system_powerdown")
        deadline = time.monotonic() + timeout_s
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.1)
    if is_alive(process):
        with suppress(OSError), Monitor(home / "monitor.sock") as monitor:
            monitor.execute("quit")
    end_processes(_machine_processes(home, process), grace_s=5)


def firmware_arguments(request: LaunchHostMachine, home: Path) -> list[str]:
    """UEFI code and a fresh set of variables. Raises MigrationError SMS.LAUNCH.NO_FIRMWARE."""
    if request.firmware == "BIOS":
        return []
    for path in (_UEFI_CODE, _UEFI_VARIABLES):
        if not path.exists():
            raise MigrationError(LAUNCH_NO_FIRMWARE, path=path)
    variables = home / "uefi-variables.fd"
    shutil.copyfile(_UEFI_VARIABLES, variables)
    code = f"if=pflash,format=raw,readonly=on,file={_UEFI_CODE}"
    return ["-drive", code, "-drive", f"if=pflash,format=raw,file={_escaped(str(variables))}"]


def _machine_processes(home: Path, process: ProcessIdentity | None) -> tuple[int, ...]:
    own = (process.pid,) if process is not None and identify(process.pid) == process else ()
    return tuple({*own, *processes_with_argument(_pid_file(home))})


def _pid_file(home: Path) -> str:
    return str(home / "qemu.pid")


def _escaped(path: str) -> str:
    # QEMU reads a doubled comma in an option's value as one comma.
    return path.replace(",", ",,")


def _with_host_port(forward: PortForward) -> PortForward:
    if forward.host_port:
        return forward
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return forward.model_copy(update={"host_port": probe.getsockname()[1]})
