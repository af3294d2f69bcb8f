"""One launch layer adapted by a process of its own: ``sms-agent adapt``, an order in, an `AdaptedLayer` out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents.target.adaptation import adapt
from agents.target.adaptation.engine import Engine
from agents.target.adaptation.inputs import failed
from agents.target.adaptation.journal import Journal
from agents.target.adaptation.steps.rehearsal_probe import plan_rehearsal_probe
from agents.target.adaptation.system import detect_system
from agents.target.adaptation.tree import Tree
from agents.target.disks import PreparedDisks
from contracts.adaptation import AdaptationReport
from contracts.errors import MigrationError
from contracts.errors.adaptation import CHANGE_FAILED
from contracts.layout import TargetLayout
from contracts.rehearsal import AdaptedLayer, LayerToAdapt

_RUN: Final = "rehearsal"


def adapt_layer(order: LayerToAdapt, own_paths: Sequence[str]) -> AdaptedLayer:
    """Adapt, put the probe in where it is wanted, and let go of the disks."""
    disks = PreparedDisks(Path(order.work_folder))
    try:
        disks.attach(order.disks)
        report = adapt(disks, order.layout, order.inventory, order.target_facts, own_paths)
        if order.has_probe and report.verdict == "passed":
            report = _with_probe(disks, order.layout, report)
    except MigrationError as error:
        return AdaptedLayer(failure=error.failure)
    finally:
        disks.detach()
    return AdaptedLayer(report=report)


def _with_probe(disks: PreparedDisks, layout: TargetLayout, report: AdaptationReport) -> AdaptationReport:
    tree = Tree(disks.mount_tree(layout))
    try:
        journal = Journal(tree, _RUN)
        planned = plan_rehearsal_probe(tree, detect_system(tree))
        made, failures = Engine(tree, journal, disks.raw_path).apply("S14", planned.changes)
        journal.remove()
    finally:
        tree.close()
        disks.unmount()
    if not failures:
        return report.model_copy(update={"changes": (*report.changes, *made)})
    change, problem = failures[0]
    path = getattr(change, "path", "")
    check = failed(CHANGE_FAILED, step="S14", path=path, reason=problem.strerror or problem)
    return report.model_copy(update={"verdict": "failed", "failure": check.failure, "checks": (*report.checks, check)})
