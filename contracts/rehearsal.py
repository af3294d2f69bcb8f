"""A rehearsal: the order for it, and what a throw-away launch layer said of its own boot."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from contracts.adaptation import AdaptationReport, TargetFacts
from contracts.base import Model
from contracts.errors import Failure
from contracts.inventory import SourceInventory
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk


class LayerToAdapt(Model):
    """One adaptation, carried out by a process that only does this: the standard input of ``sms-agent adapt``.

    work_folder: for its mount points. has_probe: the system reports on itself once it has booted (rehearsals only).
    """

    work_folder: str
    disks: tuple[AttachedDisk, ...]
    layout: TargetLayout
    inventory: SourceInventory
    target_facts: TargetFacts
    has_probe: bool = False


class AdaptedLayer(Model):
    """Its standard output: the report, or why there is none."""

    report: AdaptationReport | None = None
    failure: Failure | None = None


class RehearsalReport(Model):
    """verdict first; failures: every reason for a red one, the most telling first.

    failed_units, mount_points, ports: as the booted system said, empty when it did not. missing_ports: those on which
    the source listens and the rehearsed system does not. login_seconds: from the machine's start to the login prompt,
    0 when none came. console_path: the log of the serial console, on the provider's host.
    """

    verdict: Literal["green", "red"]
    failures: tuple[Failure, ...] = ()
    point_id: str
    started_at: datetime
    seconds: float
    login_seconds: float = 0.0
    adaptation_seconds: float = 0.0
    failed_units: tuple[str, ...] = ()
    mount_points: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    missing_ports: tuple[int, ...] = ()
    addresses: tuple[str, ...] = ()
    console_path: str = ""
