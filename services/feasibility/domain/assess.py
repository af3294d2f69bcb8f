"""The whole check of one server."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.feasibility import CheckResult, FeasibilityReport
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
        result=worst(check.result for check in checks), checks=checks, table_row=row.name if row else ""
    )
