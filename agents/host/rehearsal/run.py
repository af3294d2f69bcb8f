"""One rehearsal from its order to its report: adapt the layer, boot it, judge."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agents.host.folders import TargetFolder
from agents.host.helper_vm.adapting import adapt_in_vm
from agents.host.helper_vm.need import choose_helper
from agents.host.layers import layer_disks, load_layer
from agents.host.records import write_record
from agents.host.rehearsal.machine import BootOutcome, boot
from agents.host.rehearsal.records import CONSOLE, REPORT, RehearsalOrder
from agents.host.settings import HostSettings
from contracts.adaptation import AdaptationReport
from contracts.errors import Failure, MigrationError
from contracts.errors.rehearsal import REHEARSAL_INTERRUPTED
from contracts.messages.agent import AttachedDisk
from contracts.rehearsal import AdaptedLayer, LayerToAdapt, RehearsalReport

_ADAPT_TIMEOUT_S: Final = 1800
# Mounts and exports die with the process that adapts, in a mount namespace of its own.
_ALONE: Final = ("unshare", "--mount", "--propagation", "private", "--")


def rehearse(order: RehearsalOrder) -> RehearsalReport:
    """Do it and write the report; whatever goes wrong is a red report."""
    started, began = datetime.now(UTC), time.monotonic()
    adaptation_seconds, outcome = 0.0, BootOutcome()
    folder = TargetFolder(order.folder)
    home = folder.rehearsal(order.request.rehearsal_id)
    try:
        disks = layer_disks(folder, load_layer(folder, order.request.rehearsal_id))
        adaptation = _adapted(order, disks)
        adaptation_seconds = time.monotonic() - began
        if adaptation.failure is not None:
            outcome = BootOutcome(failures=(adaptation.failure,))
        else:
            outcome = boot(disks, order.request, order.settings, home=home)
    except MigrationError as error:
        outcome = BootOutcome(failures=(error.failure,))
    except Exception as error:  # noqa: BLE001 - the edge of a process: its report must say what became of it
        outcome = BootOutcome(failures=(_interrupted(f"{type(error).__name__}: {error}"),))
    seen = outcome.report
    report = RehearsalReport(
        verdict="red" if outcome.failures else "green",
        failures=outcome.failures,
        point_id=order.request.point_id,
        started_at=started,
        seconds=round(time.monotonic() - began, 1),
        login_seconds=outcome.login_seconds,
        adaptation_seconds=round(adaptation_seconds, 1),
        failed_units=seen.units()[:100] if seen is not None else (),
        mount_points=tuple(seen.wanted_mounts())[:100] if seen is not None else (),
        ports=seen.ports()[:1000] if seen is not None else (),
        missing_ports=outcome.missing_ports,
        addresses=seen.ip_addresses()[:100] if seen is not None else (),
        console_path=str(home / CONSOLE),
    )
    write_record(home / REPORT, report)
    return report


def _adapted(order: RehearsalOrder, disks: tuple[AttachedDisk, ...]) -> AdaptationReport:
    """Raises MigrationError when the layer could not be worked on."""
    request, settings = order.request, order.settings
    home = TargetFolder(order.folder).rehearsal(request.rehearsal_id)
    job = LayerToAdapt(
        work_folder=str(home / "work"),
        disks=disks,
        layout=request.layout,
        inventory=request.inventory,
        target_facts=request.target_facts,
        has_probe=True,
    )
    kind = choose_helper(request.helper, request.needs, settings)
    said = adapt_in_vm(home / "vm", job, settings) if kind == "vm" else _adapt_here(home, job, settings)
    try:
        adapted = AdaptedLayer.model_validate_json(said)
    except ValidationError:
        adapted = AdaptedLayer()
    if adapted.failure is not None:
        raise MigrationError(adapted.failure)
    if adapted.report is None:
        raise MigrationError(_interrupted(f"the adaptation ended without a report; see the logs in {home}"))
    return adapted.report


def _adapt_here(home: Path, job: LayerToAdapt, settings: HostSettings) -> bytes:
    with (home / "adapt.log").open("wb") as log:
        return subprocess.run(
            [*_ALONE, *settings.adapt_command],
            input=job.model_dump_json().encode(),
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=_ADAPT_TIMEOUT_S,
            check=False,
        ).stdout


def _interrupted(reason: str) -> Failure:
    return REHEARSAL_INTERRUPTED.failure(reason=reason)
