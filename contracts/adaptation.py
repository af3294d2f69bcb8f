"""Inputs and report of the adaptation of a launch layer (design: changes are planned, journalled, reversible)."""

from __future__ import annotations

from typing import Literal

from contracts.base import Model
from contracts.errors import Failure


class TargetFacts(Model):
    """What the target machine offers. disk_bus decides the drivers; network_map: source MAC to target MAC.

    identity: new for a system that lives beside its source. seed: what a new identity is derived from, so that it is
    the same each time; the task's id.
    """

    firmware: Literal["BIOS", "UEFI"] = "BIOS"
    disk_bus: Literal["virtio", "scsi", "nvme", "sata"] = "virtio"
    has_serial_port: bool = True
    network_map: dict[str, str] = {}
    network_mode: Literal["dhcp", "keep"] = "dhcp"
    identity: Literal["keep", "new"] = "keep"
    seed: str = ""


class AdaptationChange(Model):
    """One change, in the order in which it was made. operation: edit, create, delete, run, boot_code."""

    step: str
    path: str
    operation: str
    line: int = 0
    before: str = ""
    after: str = ""
    reason: str = ""


class AdaptationCheck(Model):
    """One check before the launch. failure is None when it passed; severity E stops the launch."""

    id: str
    severity: Literal["E", "W"] = "E"
    failure: Failure | None = None


class AdaptationDifference(Model):
    """What a plan changes otherwise than the one before it: the source has changed, or the target has.

    added and removed: changes that only the newer or only the older plan has; one with another result is in both.
    """

    added: tuple[AdaptationChange, ...] = ()
    removed: tuple[AdaptationChange, ...] = ()


class AdaptationReport(Model):
    """A plan, or what was done. verdict first: passed, or failed with the first E failure. facts: what was detected, by
    name.

    A plan's changes are those that will be made, its checks those before the first of them. difference: of a plan to
    the plan before, of an earlier point or layer; None for the first one.
    """

    verdict: Literal["passed", "failed"]
    failure: Failure | None = None
    facts: dict[str, str] = {}
    changes: tuple[AdaptationChange, ...] = ()
    checks: tuple[AdaptationCheck, ...] = ()
    needs: dict[str, str] = {}
    adapted_paths: tuple[str, ...] = ()
    seconds: float = 0.0
    difference: AdaptationDifference | None = None
