"""The result of a feasibility check, as it is stored with the server and shown to the user."""

from __future__ import annotations

from typing import Literal

from contracts.base import Model

CheckResult = Literal["OK", "WARN", "ERROR"]


class Check(Model):
    """One rule's outcome. id is stable; code, cause and remedy are empty for OK. looked_at: the facts used.

    severity: the worst result that this rule can have. group: the heading that it is shown under.
    """

    id: str
    name: str
    group: str = ""
    result: CheckResult
    severity: Literal["WARN", "ERROR"] = "ERROR"
    code: str = ""
    cause: str = ""
    remedy: str = ""
    looked_at: dict[str, str] = {}


class FeasibilityReport(Model):
    """All checks of one server. result: the worst of them. table_row: the row of the OS table that decided.

    block_level_kernel: the row of the block-level table that names the running kernel, "" when none does.
    """

    result: CheckResult
    checks: tuple[Check, ...]
    table_row: str = ""
    block_level_kernel: str = ""


class ChangedCheck(Model):
    """How a check's outcome differs from the report before; before is "" for a rule that is new."""

    id: str
    name: str
    before: CheckResult | Literal[""]
    after: CheckResult
