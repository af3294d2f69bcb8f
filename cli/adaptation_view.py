"""What was changed in the copied system so that it starts on the target, for a person."""

from __future__ import annotations

from cli.output import print_fields, print_table
from contracts.adaptation import AdaptationChange, AdaptationReport


def print_adaptation(report: AdaptationReport) -> None:
    """The verdict, every change in its order, what was found, and what differs from the time before."""
    needs = {f"needs {name}": value for name, value in report.needs.items()}
    print_fields({"adaptation": report.verdict, "system": report.facts.get("system", ""), **needs})
    if report.changes:
        print_table(("step", "change", "path", "to", "reason"), (_row(change) for change in report.changes))
    for check in report.checks:
        if check.failure is not None:
            kind = "error" if check.severity == "E" else "warning"
            print_fields({kind: check.failure.code, "cause": check.failure.cause, "remedy": check.failure.remedy})
    if report.difference is not None:
        rows = [("not done before", change.path, change.after) for change in report.difference.added]
        rows += [("only done before", change.path, change.after) for change in report.difference.removed]
        if rows:
            print_table(("since the last adaptation", "path", "to"), rows)
        else:
            print_fields({"since the last adaptation": "nothing differs"})


def _row(change: AdaptationChange) -> tuple[str, str, str, str, str]:
    return change.step, change.operation, change.path, change.after, change.reason
