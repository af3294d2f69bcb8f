"""The whole check of one server."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.feasibility import ChangedCheck, CheckResult, FeasibilityReport
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis
from services.feasibility.domain.rules import ALL_RULES

_ORDER: tuple[CheckResult, ...] = ("OK", "WARN", "ERROR")


def worst(results: Iterable[CheckResult]) -> CheckResult:
    """The worst of some results; OK for none."""
    return max(results, key=_ORDER.index, default="OK")


def assess(inventory: SourceInventory, basis: Basis) -> FeasibilityReport:
    """Apply every rule. All checks are listed, also those that passed or did not concern this server."""
    checks = tuple(rule.check(inventory, basis) for rule in ALL_RULES)
    row = basis.table.row_for(inventory.operating_system)
    return FeasibilityReport(
        result=worst(check.result for check in checks),
        checks=checks,
        table_row=row.name if row else "",
        block_level_kernel=basis.table.block_level_kernel(inventory.kernel_release),
    )


def changes(before: FeasibilityReport, after: FeasibilityReport) -> tuple[ChangedCheck, ...]:
    """The checks whose result differs; a rule that the report before did not have counts when it is not OK now."""
    known = {check.id: check.result for check in before.checks}
    return tuple(
        ChangedCheck(id=check.id, name=check.name, before=known.get(check.id, ""), after=check.result)
        for check in after.checks
        if known.get(check.id, "OK") != check.result
    )
