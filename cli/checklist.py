"""The checklist of a feasibility check: by group, in colours on a terminal, each finding with what to do."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from rich.text import Text

from cli.output import cell, out
from contracts.errors import Failure
from contracts.feasibility import ChangedCheck, Check, CheckResult, FeasibilityReport

# rich leaves the colours out where stdout is no terminal, and where NO_COLOR is set.
_STYLES: Final[dict[CheckResult, str]] = {"OK": "green", "WARN": "yellow", "ERROR": "bold red"}
_INDENT: Final = " " * 8


def print_checklist(report: FeasibilityReport) -> None:
    """Every check, in the report's order, below the heading of its group; last the result of all."""
    for group, checks in groupby(report.checks, lambda check: check.group):
        out.print(Text(cell(group or "checks").plain, style="bold"))
        for check in checks:
            _print_check(check)
    counts = {result: sum(check.result == result for check in report.checks) for result in _STYLES}
    out.print(
        _result(report.result),
        cell(f"{counts['ERROR']} errors, {counts['WARN']} warnings, {counts['OK']} of {len(report.checks)} passed"),
    )


def print_changes(changes: tuple[ChangedCheck, ...]) -> None:
    """What differs from the check before."""
    out.print(Text("changed since the last check" if changes else "nothing has changed since the last check", "bold"))
    for change in changes:
        before = _result(change.before) if change.before else Text("new  ")
        out.print("  ", before, " -> ", _result(change.after), " ", cell(change.name), sep="")


def print_not_fresh(failure: Failure, inventory_of: str) -> None:
    """Why an older inventory was checked. inventory_of: its time, for a person."""
    out.print(_result("WARN"), cell(f"checked with the inventory of {inventory_of}: {failure.cause}"))
    out.print(_INDENT, cell(failure.remedy), sep="")


def _print_check(check: Check) -> None:
    out.print("  ", _result(check.result), " ", cell(check.name), "  " if check.code else "", cell(check.code), sep="")
    if check.result == "OK":
        return
    out.print(_INDENT, cell(check.cause), sep="")
    out.print(_INDENT, Text("remedy: ", style="bold"), cell(check.remedy), sep="")


def _result(result: CheckResult) -> Text:
    return Text(f"{result:<5}", style=_STYLES[result])
