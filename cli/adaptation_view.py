"""What is changed in the copied system so that it starts on the target, for a person."""

from __future__ import annotations

from cli.output import print_fields, print_table
from contracts.adaptation import AdaptationChange, AdaptationReport


def print_adaptation(plan: AdaptationReport | None, report: AdaptationReport | None) -> None:
    """Every change in its order, those that are to be made until they have been; what was found; and what the plan has
    otherwise than the plan before."""
    if report is not None:
        _print_changes("adaptation", report)
    elif plan is not None:
        _print_changes("adaptation planned", plan)
    if plan is None or plan.difference is None:
        return
    rows = [("not planned before", change.path, change.after) for change in plan.difference.added]
    rows += [("planned before only", change.path, change.after) for change in plan.difference.removed]
    if rows:
        print_table(("since the last plan", "path", "to"), rows)
    else:
        print_fields({"since the last plan": "nothing differs"})


def _print_changes(title: str, report: AdaptationReport) -> None:
    needs = {f"needs {name}": value for name, value in report.needs.items()}
    print_fields({title: report.verdict, "system": report.facts.get("system", ""), **needs})
    if report.changes:
        print_table(("step", "change", "path", "to", "reason"), (_row(change) for change in report.changes))
    for check in report.checks:
        if check.failure is not None:
            kind = "error" if check.severity == "E" else "warning"
            print_fields({kind: check.failure.code, "cause": check.failure.cause, "remedy": check.failure.remedy})


def _row(change: AdaptationChange) -> tuple[str, str, str, str, str]:
    return change.step, change.operation, change.path, change.after, change.reason
