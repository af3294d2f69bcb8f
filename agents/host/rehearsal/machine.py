"""The machine of a rehearsal: as a launched one, on a network of its own, with a port for the probe."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agents.host.acceleration import choose_accelerator
from agents.host.console import find_failure, has_login, last_line, read_console
from agents.host.machine import MachineRecord, firmware_arguments, machine_arguments
from agents.host.rehearsal.judge import Boot, findings, missing_ports, unheard
from agents.host.rehearsal.probe import PORT_NAME, ProbePort, ProbeReport
from agents.host.rehearsal.records import CONSOLE
from agents.host.settings import HostSettings
from contracts.base import Model
from contracts.errors import Failure
from contracts.errors.launch import LAUNCH_STOPPED
from contracts.inventory import SourceInventory
from contracts.messages.agent import AttachedDisk
from contracts.messages.host import LaunchHostMachine, RehearseHostPoint

_LOOK_S = 0.25


class BootOutcome(Model):
    """What came of it; no failures is green."""

    failures: tuple[Failure, ...] = ()
    login_seconds: float = 0.0
    report: ProbeReport | None = None
    missing_ports: tuple[int, ...] = ()


def boot(
    disks: tuple[AttachedDisk, ...], request: RehearseHostPoint, settings: HostSettings, *, home: Path
) -> BootOutcome:
    """Start it, watch console and probe until the verdict is known or the time is over, and end it."""
    with _running(disks, request, settings, home=home) as (process, started):
        return _Watch(process, request, home=home, started=started).until_known()


@contextmanager
def _running(
    disks: tuple[AttachedDisk, ...], request: RehearseHostPoint, settings: HostSettings, *, home: Path
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    launch = LaunchHostMachine(
        target_id=request.target_id,
        layer_id=request.rehearsal_id,
        cpu_count=request.cpu_count,
        memory_bytes=request.memory_bytes,
        # QEMU alone answers on this network: the system gets an address and reaches nobody.
        is_isolated=True,
        firmware=request.firmware,
    )
    record = MachineRecord(request=launch, ports=(), accelerator=choose_accelerator(settings), started_at=time.time())
    argv = machine_arguments(record, disks, home=home) + firmware_arguments(launch, home)
    argv += ["-device", "virtio-serial-pci", "-chardev", "socket,id=probe,path=probe.sock,server=on,wait=off"]
    argv += ["-device", f"virtserialport,chardev=probe,name={PORT_NAME}"]
    for name in (CONSOLE, "probe.sock"):
        (home / name).unlink(missing_ok=True)
    with (home / "qemu.log").open("ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home)
    try:
        yield process, time.monotonic()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


class _Watch:
    """Looks at one boot until its verdict is known."""

    def __init__(
        self, process: subprocess.Popen[bytes], request: RehearseHostPoint, *, home: Path, started: float
    ) -> None:
        self._process = process
        self._inventory: SourceInventory = request.inventory
        self._home = home
        self._started = started
        self._timeout_s = request.timeout_s
        self._login_seconds = 0.0
        self._probe = ProbePort()
        self._newest: ProbeReport | None = None

    def until_known(self) -> BootOutcome:
        """Green at the first report without a finding; red as soon as nothing better can come."""
        try:
            while True:
                outcome = self._look()
                if outcome is not None:
                    return outcome
                time.sleep(_LOOK_S)
        finally:
            self._probe.close()

    def _look(self) -> BootOutcome | None:
        has_ended = self._process.poll() is not None
        console = read_console(self._home / CONSOLE)
        boot = self._boot(console)
        self._probe.connect(self._home / "probe.sock")
        self._newest = self._probe.newest() or self._newest
        if boot.login_seconds and self._newest is not None:
            failures = findings(self._newest, self._inventory, boot)
            if not failures or self._newest.is_last or has_ended or boot.seconds > self._timeout_s:
                return self._outcome(failures)
        elif not boot.login_seconds and (failure := find_failure(console)) is not None:
            code, line = failure
            return self._outcome((self._boot(console, line=line).failure(code),))
        if has_ended:
            return self._outcome((boot.failure(LAUNCH_STOPPED),))
        return self._outcome((unheard(boot),)) if boot.seconds > self._timeout_s else None

    def _boot(self, console: bytes, *, line: str = "") -> Boot:
        seconds = time.monotonic() - self._started
        if not self._login_seconds and has_login(console):
            self._login_seconds = seconds
        return Boot(
            seconds=seconds,
            timeout_s=self._timeout_s,
            login_seconds=self._login_seconds,
            console_line=line or last_line(console),
            console_log=str(self._home / CONSOLE),
            machine_log=str(self._home / "qemu.log"),
        )

    def _outcome(self, failures: tuple[Failure, ...]) -> BootOutcome:
        return BootOutcome(
            failures=failures,
            login_seconds=round(self._login_seconds, 1),
            report=self._newest,
            missing_ports=missing_ports(self._newest, self._inventory) if self._newest is not None else (),
        )
