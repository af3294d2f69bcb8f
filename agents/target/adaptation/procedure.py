"""The steps of an adaptation over one mounted tree, in their fixed order, and the checks after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agents.target.adaptation.changes import Change, MakeSwapFile, StepResult, WriteDisk
from agents.target.adaptation.checks.boot_code import boot_code_checks
from agents.target.adaptation.checks.boot_menu import boot_menu_checks
from agents.target.adaptation.checks.efi import efi_checks
from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.inputs import Inputs, failed
from agents.target.adaptation.kernels import Kernel, installed_kernels
from agents.target.adaptation.record import Record
from agents.target.adaptation.steps.boot_code import plan_boot_code
from agents.target.adaptation.steps.boot_menu import plan_boot_menu, plan_settings
from agents.target.adaptation.steps.caches import plan_caches, stale_device_checks
from agents.target.adaptation.steps.cloud_init import plan_cloud_init
from agents.target.adaptation.steps.console import plan_console
from agents.target.adaptation.steps.file_system_table import fstab_checks, plan_file_system_table
from agents.target.adaptation.steps.foreign_agents import foreign_agent_checks, plan_foreign_agents
from agents.target.adaptation.steps.identity import plan_identity
from agents.target.adaptation.steps.initramfs import plan_driver_lists, plan_initramfs
from agents.target.adaptation.steps.network import extra_kernel_arguments, network_checks, plan_network
from agents.target.adaptation.steps.own_agent import own_agent_checks, plan_own_agent
from agents.target.adaptation.steps.preflight import plan_kernel, plan_preflight
from agents.target.adaptation.steps.selinux import PERMISSIVE, needs_relabel, plan_selinux, selinux_checks
from agents.target.adaptation.steps.storage import plan_storage, storage_checks
from agents.target.adaptation.steps.swap_files import plan_swap_files
from agents.target.adaptation.system import SystemFacts, detect_system
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationChange, AdaptationCheck
from contracts.errors import MigrationError
from contracts.errors.adaptation import CHANGE_FAILED, SWAP_FILE


class Changer(Protocol):
    """Makes what a step asks for, or notes that it would."""

    def apply(
        self, step: str, changes: Sequence[Change]
    ) -> tuple[list[AdaptationChange], list[tuple[Change, OSError]]]:
        """The changes of one step that were needed, and those that failed. Later reads of the tree see them."""
        ...


class Procedure:
    """The steps over one tree; each sees what the earlier ones changed."""

    def __init__(self, tree: Tree, inputs: Inputs, engine: Changer, record: Record) -> None:
        self._tree = tree
        self._inputs = inputs
        self._engine = engine
        self._record = record

    def run(self) -> None:
        """Change the tree and check it; an E check that fails before the first change ends it."""
        changed = self.change()
        if changed is not None:
            system, boot_code = changed
            self._record.checks += verification(self._tree, self._inputs, system, boot_code)

    def change(self) -> tuple[SystemFacts, tuple[WriteDisk, ...]] | None:
        """Every step without the checks at the end: the system that was found, and its boot code; None after an E check
        that failed before the first change."""
        tree, inputs = self._tree, self._inputs
        system = detect_system(tree, is_uefi=inputs.facts.firmware == "UEFI")
        self._take("S03", plan_preflight(tree, inputs, system))
        kernels = installed_kernels(tree)
        kernel, result = plan_kernel(tree, kernels, inputs)
        self._take("S10", result)
        if self._record.is_fatal or kernel is None:
            return None
        self._change_settings(system, kernel)
        return system, self._change_boot(system, kernel, is_newest=kernel is kernels[0])

    def _change_settings(self, system: SystemFacts, kernel: Kernel) -> None:
        """What programs of the system read, which are run afterwards."""
        tree, inputs = self._tree, self._inputs
        self._take("S05", plan_swap_files(tree, inputs, kernel))
        self._take("S05", plan_file_system_table(tree, inputs))
        self._take("S05", plan_storage(tree, inputs, system))
        self._take("S06", plan_foreign_agents(tree, system), failure_severity="W")
        self._take("S07", plan_network(tree, inputs))
        self._take("S08", plan_cloud_init(tree, inputs, system))
        self._take("S08", plan_identity(tree, inputs, system))
        self._take("S09", plan_console(tree, inputs, system))

    def _change_boot(self, system: SystemFacts, kernel: Kernel, *, is_newest: bool) -> tuple[WriteDisk, ...]:
        tree, inputs = self._tree, self._inputs
        line = self._command_line()
        chosen = None if is_newest else kernel
        self._take("S10", plan_settings(tree, inputs, system, line, chosen=chosen))
        self._take("S11", plan_driver_lists(tree, kernel, system, inputs.references.root_drivers))
        self._take("S11", plan_initramfs(tree, inputs, (kernel,), system))
        self._take("S12", plan_boot_menu(tree, inputs, system, line, chosen=chosen))
        boot_code = plan_boot_code(tree, inputs, system)
        self._take("S13", boot_code)
        self._take("S14", plan_caches(tree))
        self._take("S14", plan_own_agent(tree, inputs))
        written = [each.path for each in self._record.changes if each.operation in {"create", "edit"}]
        self._take("S15", plan_selinux(tree, inputs, written), failure_severity="W")
        return tuple(change for change in boot_code.changes if isinstance(change, WriteDisk))

    def _command_line(self) -> CommandLine:
        extra = extra_kernel_arguments(self._tree, self._inputs)
        if needs_relabel(self._tree):
            extra = (*extra, PERMISSIVE)
        return CommandLine(
            references=self._inputs.references,
            network_map=self._inputs.facts.network_map,
            has_serial_port=self._inputs.facts.has_serial_port,
            extra=extra,
        )

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


def verification(
    tree: Tree, inputs: Inputs, system: SystemFacts, boot_code: tuple[WriteDisk, ...] = ()
) -> tuple[AdaptationCheck, ...]:
    """S16: whether the system would start on the target, without starting it. boot_code: what was written, if it is
    to be compared with the disk."""
    return (
        *boot_menu_checks(tree, inputs, system),
        *fstab_checks(tree, inputs.references),
        *storage_checks(tree, inputs),
        *boot_code_checks(inputs, boot_code, is_old=system.boot_menu == "grub_legacy"),
        *(efi_checks(tree, inputs) if inputs.facts.firmware == "UEFI" else ()),
        *network_checks(tree, inputs),
        *stale_device_checks(tree),
        *own_agent_checks(tree, inputs),
        *foreign_agent_checks(tree, system),
        *selinux_checks(tree),
    )
