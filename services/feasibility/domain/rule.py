"""What a rule is: a plain function over an inventory, with the words to show its outcome in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from contracts.errors import ErrorCode, Failure
from contracts.feasibility import Check, CheckResult
from contracts.inventory import SourceInventory
from services.feasibility.domain.os_table import OsTable


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What this installation can do. is_strict: a system that no row of the table names is refused."""

    supports_uefi: bool = True
    is_strict: bool = False


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What rules decide on besides the inventory."""

    table: OsTable = field(default_factory=OsTable)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True)
class Finding:
    """What a rule found. failure is None when the result is OK."""

    result: CheckResult
    failure: Failure | None
    looked_at: dict[str, str]


def passed(**looked_at: object) -> Finding:
    """Nothing stands in the way."""
    return Finding("OK", None, _texts(looked_at))


def warned(code: ErrorCode, looked_at: dict[str, object], **parameters: object) -> Finding:
    """The server can be migrated, but the user should know this."""
    return Finding("WARN", code.failure(**parameters), _texts(looked_at))


def refused(code: ErrorCode, looked_at: dict[str, object], **parameters: object) -> Finding:
    """The server cannot be migrated as it is."""
    return Finding("ERROR", code.failure(**parameters), _texts(looked_at))


def listed(values: list[str] | tuple[str, ...]) -> str:
    """Names for a sentence; a long list is cut with its length told."""
    shown = ", ".join(values[:10])
    return f"{shown} and {len(values) - 10} more" if len(values) > 10 else shown or "none"


def _texts(values: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule under its stable id. name and group: what is shown. severity: the worst result that decide can return."""

    id: str
    name: str
    group: str
    severity: Literal["WARN", "ERROR"] = "ERROR"
    decide: Callable[[SourceInventory, Basis], Finding]

    def check(self, inventory: SourceInventory, basis: Basis) -> Check:
        """Apply the rule."""
        finding = self.decide(inventory, basis)
        failure = finding.failure
        return Check(
            id=self.id,
            name=self.name,
            group=self.group,
            severity=self.severity,
            result=finding.result,
            code=failure.code if failure else "",
            cause=failure.cause if failure else "",
            remedy=failure.remedy if failure else "",
            looked_at=finding.looked_at,
        )
