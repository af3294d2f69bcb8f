"""Rules about processor and kernel."""

from __future__ import annotations

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, passed, refused

_NEEDED_ARCHITECTURE = "x86_64"
_SAME = frozenset({"x86_64", "amd64"})


def check_architecture(inventory: SourceInventory, _: Basis) -> Finding:
    """Only x86-64 is migrated."""
    found = inventory.architecture
    if found.lower() not in _SAME:
        return refused(
            codes.ARCHITECTURE, {"architecture": found}, architecture=found or "unknown", needed=_NEEDED_ARCHITECTURE
        )
    return passed(architecture=found)


def check_kernel(inventory: SourceInventory, _: Basis) -> Finding:
    """Without a kernel in the tree there is nothing for the target to boot."""
    if not inventory.kernel_release:
        boot = f"{inventory.root_path.rstrip('/')}/boot"
        return refused(codes.NO_KERNEL, {"kernel_release": ""}, boot=boot)
    return passed(kernel_release=inventory.kernel_release)


GROUP = "Processor and kernel"

RULES = (
    Rule(id="architecture", name="Architecture x86-64", group=GROUP, decide=check_architecture),
    Rule(id="kernel", name="Kernel to boot", group=GROUP, decide=check_kernel),
)
