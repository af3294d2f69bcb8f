"""One adaptation from mounting to the report: the steps in their fixed order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from agents.target.adaptation.changes import MakeSwapFile, StepResult, WriteDisk
from agents.target.adaptation.checks.boot_code import boot_code_checks
from agents.target.adaptation.checks.boot_menu import boot_menu_checks
from agents.target.adaptation.checks.efi import efi_checks
from agents.target.adaptation.confinement import PlannedDevice
from agents.target.adaptation.engine import Engine
from agents.target.adaptation.files import TEMPORARY_SUFFIX
from agents.target.adaptation.inputs import Inputs, failed, passed
from agents.target.adaptation.journal import FOLDER, Journal
from agents.target.adaptation.kernels import installed_kernels
from agents.target.adaptation.references import References
from agents.target.adaptation.sandbox import Sandbox
from agents.target.adaptation.steps.boot_code import plan_boot_code
from agents.target.adaptation.steps.caches import plan_caches, stale_device_checks
from agents.target.adaptation.steps.cloud_init import plan_cloud_init
from agents.target.adaptation.steps.console import plan_console
from agents.target.adaptation.steps.efi_fallback import plan_efi_fallback
from agents.target.adaptation.steps.file_system_table import fstab_checks, plan_file_system_table
from agents.target.adaptation.steps.foreign_agents import foreign_agent_checks, plan_foreign_agents
from agents.target.adaptation.steps.grub_config import plan_grub_config
from agents.target.adaptation.steps.initramfs import plan_initramfs, plan_module_list
from agents.target.adaptation.steps.network.plan import extra_kernel_arguments, network_checks, plan_network
from agents.target.adaptation.steps.own_agent import own_agent_checks, plan_own_agent
from agents.target.adaptation.steps.preflight import plan_kernel, plan_preflight
from agents.target.adaptation.steps.swap_files import plan_swap_files
from agents.target.adaptation.system import SystemFacts, detect_system
from agents.target.adaptation.tree import Tree
from agents.target.disks import PreparedDisks
from contracts.adaptation import AdaptationChange, AdaptationCheck, AdaptationReport, TargetFacts
from contracts.errors import MigrationError
from contracts.errors.adaptation import CHANGE_FAILED, FSCK, LEFTOVER, SWAP_FILE
from contracts.inventory import SourceInventory
from contracts.layout import TargetLayout

_GATHERED_FROM: Final = 20


def adapt(
    disks: PreparedDisks,
    layout: TargetLayout,
    inventory: SourceInventory,
    target_facts: TargetFacts,
    own_paths: Sequence[str] = (),
    *,
    run: str = "adaptation",
    keeps_journal: bool = False,
) -> AdaptationReport:
    """Make the system on these attached disks boot on the target, check it, and unmount it again.

    own_paths: where our own agent lies on the source; none of it may be on the target. keeps_journal: for
    targets without launch layers, where `undo_adaptation` comes before the next sync round. What is wrong with
    the system is in the report; MigrationError is raised for the disks themselves (SMS.DISK.*).
    """
    started = time.monotonic()
    record = _Record()
    tree = Tree(disks.mount_tree(layout))
    try:
        devices = [
            PlannedDevice(
                name=device.path.name,
                number=device.device_number,
                uuid=file_system.uuid,
                label=file_system.label,
                part_uuid=part_uuid,
            )
            for device, file_system, part_uuid in disks.devices(layout)
        ]
        inputs = Inputs(
            layout=layout,
            inventory=inventory,
            facts=target_facts,
            own_paths=tuple(own_paths),
            references=References(layout),
            builder=Sandbox(root=tree.root, devices=devices),
            raw_path=disks.raw_path,
        )
        journal = Journal(tree, run)
        try:
            _undo_earlier_runs(tree, disks, record)
        except MigrationError as error:
            record.checks.append(AdaptationCheck(id="JOURNAL_BROKEN", failure=error.failure))
        else:
            _Run(tree, inputs, Engine(tree, journal, disks.raw_path), record).steps()
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


def _leftover_check(tree: Tree, record: _Record, *, keeps_journal: bool) -> AdaptationCheck:
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
    record = _Record()
    tree = Tree(disks.mount_tree(layout))
    try:
        return _undo_earlier_runs(tree, disks, record)
    finally:
        tree.close()
        disks.unmount()


def _undo_earlier_runs(tree: Tree, disks: PreparedDisks, record: _Record) -> list[str]:
    foreign: list[str] = []
    for run in reversed(Journal.runs(tree)):
        foreign += Engine(tree, Journal(tree, run), disks.raw_path).undo()
    if foreign:
        record.facts["changed_since_last_run"] = ", ".join(foreign)
    return foreign


class _Record:
    """What has happened so far."""

    def __init__(self) -> None:
        self.changes: list[AdaptationChange] = []
        self.checks: list[AdaptationCheck] = []
        self.facts: dict[str, str] = {}
        self.needs: dict[str, str] = {}

    @property
    def is_fatal(self) -> bool:
        return any(check.severity == "E" and check.failure is not None for check in self.checks)

    def report(self, seconds: float) -> AdaptationReport:
        failure = next((each.failure for each in self.checks if each.severity == "E" and each.failure), None)
        paths = [each.path for each in self.changes if each.operation != "boot_code"]
        return AdaptationReport(
            verdict="failed" if failure is not None else "passed",
            failure=failure,
            facts=self.facts,
            changes=tuple(_gathered(self.changes)),
            checks=tuple(self.checks),
            needs=self.needs,
            adapted_paths=tuple(dict.fromkeys(paths)),
            seconds=round(seconds, 3),
        )


def _gathered(changes: list[AdaptationChange]) -> list[AdaptationChange]:
    """Many files made in one folder for one reason are one change to a reader (GRUB has 290 modules)."""
    gathered: list[AdaptationChange] = []
    counts: dict[tuple[str, str, str, str], int] = {}
    for change in changes:
        folder = change.path.rpartition("/")[0]
        key = (change.step, folder, change.operation, change.reason)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 1:
            gathered.append(change)
    for index, change in enumerate(gathered):
        folder = change.path.rpartition("/")[0]
        count = counts[change.step, folder, change.operation, change.reason]
        if count >= _GATHERED_FROM:
            gathered[index] = change.model_copy(update={"path": f"{folder}/", "after": f"{count} files"})
    return gathered


class _Run:
    """The steps over one tree; each sees what the earlier ones changed."""

    def __init__(self, tree: Tree, inputs: Inputs, engine: Engine, record: _Record) -> None:
        self._tree = tree
        self._inputs = inputs
        self._engine = engine
        self._record = record

    def steps(self) -> None:
        tree, inputs = self._tree, self._inputs
        system = detect_system(tree)
        self._take("S03", plan_preflight(tree, inputs, system))
        kernels = installed_kernels(tree)
        kernel, result = plan_kernel(kernels, inputs)
        self._take("S10", result)
        if self._record.is_fatal or kernel is None:
            return
        root_kind = inputs.references.root.file_system.kind if inputs.references.root is not None else ""
        self._take("S05", plan_swap_files(tree, inputs, kernel))
        self._take("S05", plan_file_system_table(tree, inputs))
        self._take("S06", plan_foreign_agents(tree, system), failure_severity="W")
        self._take("S07", plan_network(tree, inputs))
        self._take("S08", plan_cloud_init(tree))
        arguments = extra_kernel_arguments(tree, inputs)
        menu_entry = "" if kernel is kernels[0] else inputs.references.menu_entry(kernel.release)
        self._take("S09", plan_console(tree, inputs, extra_arguments=arguments, grub_default=menu_entry))
        self._take("S11", plan_module_list(tree, kernel, root_kind))
        self._take("S11", plan_initramfs(tree, inputs, (kernel,), system))
        self._take("S12", plan_grub_config(tree, inputs, system))
        is_uefi = inputs.facts.firmware == "UEFI"
        boot_code = plan_efi_fallback(tree, inputs) if is_uefi else plan_boot_code(tree, inputs)
        self._take("S13", boot_code)
        self._take("S14", plan_caches(tree))
        self._take("S14", plan_own_agent(tree, inputs))
        self._check(system, tuple(change for change in boot_code.changes if isinstance(change, WriteDisk)))

    def _check(self, system: SystemFacts, boot_code: tuple[WriteDisk, ...]) -> None:
        """S16."""
        tree, inputs = self._tree, self._inputs
        self._record.checks += [
            *boot_menu_checks(tree, inputs),
            *fstab_checks(tree, inputs.references),
            *boot_code_checks(inputs, boot_code),
            *(efi_checks(tree, inputs) if inputs.facts.firmware == "UEFI" else ()),
            *network_checks(tree, inputs),
            *stale_device_checks(tree),
            *own_agent_checks(tree, inputs),
            *foreign_agent_checks(tree, system),
        ]

    def _take(self, step: str, result: StepResult, *, failure_severity: str = "E") -> None:
        """Apply a plan. A change that fails is an E check: later steps and the launch would build on it.

        A warning are a swap file, and steps without which the system also starts (failure_severity W).
        """
        try:
            made, failures = self._engine.apply(step, result.changes)
        except (OSError, MigrationError) as error:
            self._record.checks.append(failed(CHANGE_FAILED, step=step, path="the journal", reason=error))
            return
        self._record.changes += made
        for change, problem in failures:
            reason = problem.strerror or str(problem)
            if isinstance(change, MakeSwapFile):
                failure = failed(SWAP_FILE, "W", path=change.path, size_bytes=change.size_bytes, reason=reason)
                self._record.checks.append(failure)
                continue
            path = change.disk if isinstance(change, WriteDisk) else change.path
            self._record.checks.append(failed(CHANGE_FAILED, failure_severity, step=step, path=path, reason=reason))
        self._record.checks += result.checks
        self._record.facts.update(result.facts)
        self._record.needs.update(result.needs)
