"""One adaptation from mounting to the report: the steps in their fixed order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agents.target.adaptation.build_memory import BuildMemory
from agents.target.adaptation.confinement import PlannedDevice
from agents.target.adaptation.engine import Engine
from agents.target.adaptation.files import TEMPORARY_SUFFIX
from agents.target.adaptation.inputs import Builder, Inputs, failed, passed
from agents.target.adaptation.journal import FOLDER, Journal
from agents.target.adaptation.planned import Announced, PlannedTree, Planner
from agents.target.adaptation.procedure import Procedure
from agents.target.adaptation.record import Record
from agents.target.adaptation.references import References
from agents.target.adaptation.sandbox import Sandbox, has_vsyscall
from agents.target.adaptation.tree import Tree
from agents.target.disks import PreparedDisks
from contracts.adaptation import AdaptationCheck, AdaptationReport, TargetFacts
from contracts.errors import MigrationError
from contracts.errors.adaptation import FSCK, LEFTOVER
from contracts.inventory import SourceInventory
from contracts.layout import TargetLayout


def adapt(
    disks: PreparedDisks,
    layout: TargetLayout,
    inventory: SourceInventory,
    target_facts: TargetFacts,
    own_paths: Sequence[str] = (),
    *,
    run: str = "adaptation",
    keeps_journal: bool = False,
    memory_folder: Path | None = None,
) -> AdaptationReport:
    """Make the system on these attached disks boot on the target, check it, and unmount it again.

    own_paths: where our own agent lies on the source; none of it may be on the target. keeps_journal: for
    targets without launch layers, where `undo_adaptation` comes before the next sync round. memory_folder: where
    built images are kept for the task's next launch. What is wrong with the system is in the report;
    MigrationError is raised for the disks themselves (SMS.DISK.*).
    """
    started = time.monotonic()
    record = Record()
    tree = Tree(disks.mount_tree(layout))
    try:
        devices = _devices(disks, layout)
        inputs = _inputs(disks, layout, inventory, target_facts, own_paths, Sandbox(root=tree.root, devices=devices))
        if memory_folder is not None:
            inputs = replace(inputs, memory=BuildMemory(memory_folder, tree, devices))
        journal = Journal(tree, run)
        try:
            _undo_earlier_runs(tree, disks, record)
        except MigrationError as error:
            record.checks.append(AdaptationCheck(id="JOURNAL_BROKEN", failure=error.failure))
        else:
            Procedure(tree, inputs, Engine(tree, journal, disks.raw_path), record).run()
            if not keeps_journal:
                journal.remove()
            record.checks.append(_leftover_check(tree, record, keeps_journal=keeps_journal))
    finally:
        tree.close()
        disks.unmount()
    if not record.is_fatal:
        complaints = disks.check_file_systems(layout)
        record.checks += [failed(FSCK, mount_point=point, output=text) for point, text in complaints.items()]
        record.checks += [] if complaints else [passed(FSCK)]
    return record.report(time.monotonic() - started)


def plan_adaptation(
    disks: PreparedDisks,
    layout: TargetLayout,
    inventory: SourceInventory,
    target_facts: TargetFacts,
    own_paths: Sequence[str] = (),
) -> AdaptationReport:
    """What `adapt` would change in these attached disks, which are only read; the checks are those before a change.

    What programs of the system build is named, but not built. disks: attached read-only, or XFS writes to its log while
    it is mounted to be read only (tests/e2e/test_adaptation.py).
    """
    started = time.monotonic()
    record = Record()
    tree = PlannedTree(disks.mount_tree(layout))
    try:
        inputs = _inputs(disks, layout, inventory, target_facts, own_paths, Announced())
        Procedure(tree, inputs, Planner(tree, disks.raw_path), record).change()
    finally:
        tree.close()
        disks.unmount()
    return record.report(time.monotonic() - started).model_copy(update={"adapted_paths": ()})


def _inputs(
    disks: PreparedDisks,
    layout: TargetLayout,
    inventory: SourceInventory,
    target_facts: TargetFacts,
    own_paths: Sequence[str],
    builder: Builder,
) -> Inputs:
    return Inputs(
        layout=layout,
        inventory=inventory,
        facts=target_facts,
        own_paths=tuple(own_paths),
        references=References(layout, inventory),
        builder=builder,
        raw_path=disks.raw_path,
        has_vsyscall=has_vsyscall(),
    )


def _devices(disks: PreparedDisks, layout: TargetLayout) -> list[PlannedDevice]:
    return [
        PlannedDevice(
            name=each.device.path.name,
            number=each.device.device_number,
            uuid=each.file_system.uuid,
            label=each.file_system.label,
            part_uuid=each.part_uuid,
            mapper_name=each.mapper_name,
        )
        for each in disks.devices(layout)
    ]


def _leftover_check(tree: Tree, record: Record, *, keeps_journal: bool) -> AdaptationCheck:
    """LEFTOVER: neither a journal nor a temporary file stays behind."""
    folders = {change.path.rpartition("/")[0] for change in record.changes if change.path.startswith("/")}
    left = [
        f"{each}/{name}" for each in sorted(folders) for name in tree.names(each) if name.endswith(TEMPORARY_SUFFIX)
    ]
    if not keeps_journal:
        left += [f"{FOLDER}/{run}" for run in Journal.runs(tree)]
    return failed(LEFTOVER, found=", ".join(left)) if left else passed(LEFTOVER)


def undo_adaptation(disks: PreparedDisks, layout: TargetLayout) -> list[str]:
    """Restore an adapted system from its journal; the paths that were changed by somebody else since."""
    record = Record()
    tree = Tree(disks.mount_tree(layout))
    try:
        return _undo_earlier_runs(tree, disks, record)
    finally:
        tree.close()
        disks.unmount()


def _undo_earlier_runs(tree: Tree, disks: PreparedDisks, record: Record) -> list[str]:
    foreign: list[str] = []
    for run in reversed(Journal.runs(tree)):
        foreign += Engine(tree, Journal(tree, run), disks.raw_path).undo()
    if foreign:
        record.facts["changed_since_last_run"] = ", ".join(foreign)
    return foreign
