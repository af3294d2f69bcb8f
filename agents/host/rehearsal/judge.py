"""Red or green: decided from what console and probe have shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.host.rehearsal.probe import ProbeReport
from contracts.errors import ErrorCode, Failure
from contracts.errors.launch import LAUNCH_TIMEOUT
from contracts.errors.rehearsal import (
    REHEARSAL_FAILED_UNITS,
    REHEARSAL_MOUNT_MISSING,
    REHEARSAL_NO_ADDRESS,
    REHEARSAL_PORT_MISSING,
    REHEARSAL_SILENT,
)
from contracts.inventory import SourceInventory

_NAMED: Final = 5


@dataclass(frozen=True, kw_only=True)
class Boot:
    """What a machine has shown so far. seconds: since its start; login_seconds: 0 without a login."""

    seconds: float
    timeout_s: float
    login_seconds: float = 0.0
    console_line: str = ""
    console_log: str = ""
    machine_log: str = ""

    def failure(self, code: ErrorCode, **further: object) -> Failure:
        """The code with what it wants to know of the boot."""
        known: dict[str, object] = {
            "seconds": round(self.seconds),
            "login_seconds": round(self.login_seconds),
            "timeout_s": round(self.timeout_s),
            "console_line": self.console_line or "(nothing)",
            "console_log": self.console_log,
            "machine_log": self.machine_log,
        }
        wanted = {name: value for name, value in (known | further).items() if name in code.parameter_names()}
        return code.failure(**wanted)


def findings(report: ProbeReport, inventory: SourceInventory, boot: Boot) -> tuple[Failure, ...]:
    """What is wrong with a system that reports on itself, the most telling first; empty for green."""
    found = [
        _mounts(report, inventory, boot),
        _addresses(report, inventory, boot),
        _units(report, boot),
        _ports(report, inventory, boot),
    ]
    return tuple(failure for failure in found if failure is not None)


def unheard(boot: Boot) -> Failure:
    """Why there is no report when the time is over."""
    if boot.login_seconds:
        return boot.failure(REHEARSAL_SILENT)
    return boot.failure(LAUNCH_TIMEOUT, waited_for="no login on its serial console")


def missing_ports(report: ProbeReport, inventory: SourceInventory) -> tuple[int, ...]:
    """On which the source listens and the rehearsed system does not."""
    return tuple(sorted(set(inventory.listening_ports) - set(report.ports())))


def _mounts(report: ProbeReport, inventory: SourceInventory, boot: Boot) -> Failure | None:
    wanted, mounted = report.wanted_mounts(), set(report.mount_points())
    on_source = {mount.mount_point for mount in inventory.mounts}
    # A source that does without a file system itself shows nothing by doing without it here.
    missing = [point for point, is_optional in wanted.items() if point not in mounted]
    missing = [point for point in missing if not wanted[point] or point in on_source]
    if not missing:
        return None
    return boot.failure(
        REHEARSAL_MOUNT_MISSING, count=len(missing), total=len(wanted), mount_points=_first(sorted(missing))
    )


def _addresses(report: ProbeReport, inventory: SourceInventory, boot: Boot) -> Failure | None:
    with_address = [interface for interface in inventory.network_interfaces if interface.addresses]
    has_one = bool(report.ip_addresses())
    # A mounted tree tells of no interfaces; a server that is migrated has a network all the same.
    if has_one or (inventory.is_live and not with_address):
        return None
    return boot.failure(REHEARSAL_NO_ADDRESS, interfaces=len(with_address) or 1)


def _units(report: ProbeReport, boot: Boot) -> Failure | None:
    units = report.units()
    return boot.failure(REHEARSAL_FAILED_UNITS, count=len(units), units=_first(units)) if units else None


def _ports(report: ProbeReport, inventory: SourceInventory, boot: Boot) -> Failure | None:
    missing = [str(port) for port in missing_ports(report, inventory)]
    if not missing:
        return None
    total = len(inventory.listening_ports)
    return boot.failure(REHEARSAL_PORT_MISSING, count=len(missing), total=total, ports=_first(missing))


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
