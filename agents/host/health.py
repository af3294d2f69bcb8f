"""One look at a machine: how far its boot has come, by its console and the port that it is to answer on."""

from __future__ import annotations

import http.client
import socket
import time

from agents.host.console import find_failure, has_login, last_line, read_console
from agents.host.folders import TargetFolder
from agents.host.machine import MachineRecord, console_path, load_machine
from agents.host.processes import is_alive
from contracts.errors import MigrationError
from contracts.errors.launch import LAUNCH_STOPPED
from contracts.errors.target import TARGET_UNKNOWN
from contracts.messages.host import HostMachine, ShowHostMachine

_PROBE_TIMEOUT_S = 3.0


def show_machine(folder: TargetFolder, request: ShowHostMachine) -> HostMachine:
    """The machine's state now. A login wins over an older failure on the console: a boot loader's rescue prompt
    may have been left by a retry.

    Raises MigrationError SMS.TARGET.UNKNOWN when no machine was started from the layer.
    """
    record = load_machine(folder, request.layer_id)
    if record is None:
        raise MigrationError(TARGET_UNKNOWN, kind="machine", id=request.layer_id, target_id=folder.target_id)
    path = console_path(folder, request.layer_id)
    console = read_console(path)
    alive = is_alive(record.process)
    boot_state, code, tail = "booting", "", last_line(console)
    if not alive:
        # QEMU's own complaint (a port in use, a locked disk) is all there is when it did not even start.
        own = read_console(path.with_name("qemu.log"))
        boot_state, code, tail = "failed", LAUNCH_STOPPED.code, tail or last_line(own)
    elif has_login(console):
        boot_state = "healthy" if answers(record, request) else "login"
    if boot_state in ("booting", "failed") and (failure := find_failure(console)) is not None:
        boot_state, code, tail = "failed", failure[0].code, failure[1]
    return HostMachine(
        layer_id=request.layer_id,
        is_running=alive,
        boot_state=boot_state,
        failure_code=code,
        console_path=str(path),
        console_tail=tail,
        ports=record.ports,
        process_id=record.process.pid if record.process is not None and alive else 0,
        seconds=round(time.time() - record.started_at, 1),
        is_isolated=record.request.is_isolated,
        accelerator=record.accelerator,
    )


def answers(record: MachineRecord, request: ShowHostMachine) -> bool:
    """Whether the port that was asked for answers; true when none was."""
    if request.tcp_port is None:
        return True
    ports = [port.host_port for port in record.ports if port.target_port == request.tcp_port]
    return any(_port_answers(port, request.http_path) for port in ports)


def _port_answers(port: int, http_path: str) -> bool:
    if http_path:
        return _http_status(port, http_path) == http.client.OK
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_TIMEOUT_S) as connection:
            # QEMU itself accepts the connection, and closes it when nobody in the guest does.
            connection.settimeout(1.0)
            return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def _http_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError):
        return 0
    finally:
        connection.close()
