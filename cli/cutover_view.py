"""How a cutover looks on the command line: the downtime by its parts, and what ran on the source."""

from __future__ import annotations

from cli.output import cell, out, print_fields, print_table
from contracts.cutover import CutoverReport


def print_cutover(report: CutoverReport) -> None:
    """Phases that took no time are left out."""
    work = report.work
    if report.downtime_s is not None:
        boot = f", {report.boot_s:.1f} s of it the target's own boot" if report.boot_s is not None else ""
        print_fields({"downtime": f"{report.downtime_s:.1f} s{boot}"})
        print_table(
            ("downtime", "seconds"), ((each.name, f"{each.seconds:.1f}") for each in report.phases if each.seconds)
        )
    if work.frozen:
        print_table(
            ("file system", "frozen"),
            ((each.mount_point, "yes" if each.is_frozen else f"no: {each.reason}") for each in work.frozen),
        )
    outcomes = (*work.before, *work.after)
    if outcomes:
        print_table(
            ("command", "exit code", "seconds"),
            (
                (each.name, f"{each.exit_code} (ended: too long)" if each.is_timeout else each.exit_code, each.seconds)
                for each in outcomes
            ),
        )
    for each in outcomes:
        for line in each.output.splitlines():
            out.print(cell(f"  {each.name}: {line}"))
