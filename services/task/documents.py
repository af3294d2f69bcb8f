"""Write `docs/task-phases.md` from the saga's tables: ``python -m services.task.documents``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.task.domain.phases import ACTIONS, CHECKED_FIRST, LEGS, RESUME_IN, SKIPS, Leg

PATH: Final = Path(__file__).parents[2] / "docs" / "task-phases.md"
_HEAD: Final = """\
# Phases of a task

Made by `python -m services.task.documents` from `services/task/domain/phases.py`; do not edit.

A task is always in one *leg*. A leg has a phase, which is what the user sees, and steps, each of which waits for
one answer of a service or of an agent. After its last step the leg named under *then* begins.
"""


def document() -> str:
    """The page's text."""
    return "\n".join([_HEAD, *_diagram(), "", *_legs(), "", *_actions(), "", *_checks(), "", *_resuming(), ""])


def _diagram() -> list[str]:
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {leg} --> {plan.then}" for leg, plan in LEGS.items() if plan.then]
    lines += [
        f"    {leg} --> {begun} : {action}" for (leg, action), begun in ACTIONS.items() if begun is not Leg.DELETING
    ]
    lines += [f"    {leg} --> {begun} : every copy is checked" for leg, begun in CHECKED_FIRST.items()]
    lines += [f"    {leg} --> {begun} : skip" for (leg, _), begun in SKIPS.items()]
    return [*lines, "```"]


def _legs() -> list[str]:
    lines = ["| leg | phase | steps | then |", "|---|---|---|---|"]
    for leg, plan in LEGS.items():
        steps = " → ".join(plan.steps) or "(at rest)"
        lines.append(f"| {leg} | {plan.phase} | {steps} | {plan.then or ''} |")
    return lines


def _actions() -> list[str]:
    lines = ["| a user asks for | in | which begins |", "|---|---|---|"]
    for (leg, action), begun in sorted(ACTIONS.items(), key=lambda item: (item[0][1], item[0][0])):
        lines.append(f"| {action} | {leg} | {begun} |")
    return lines


def _checks() -> list[str]:
    lines = [
        "A task whose user wants every copy checked goes elsewhere when these legs have ended:",
        "",
        "| after | begins |",
        "|---|---|",
        *(f"| {leg} | {begun} |" for leg, begun in CHECKED_FIRST.items()),
        "",
        "`skip` does not wait for a verification:",
        "",
        "| in | during | begins |",
        "|---|---|---|",
    ]
    return lines + [f"| {leg} | {step} | {begun} |" for (leg, step), begun in SKIPS.items()]


def _resuming() -> list[str]:
    lines = [
        "`start` in PAUSED or FAILED begins the leg that ended early again, since every step may be repeated; except:",
        "",
        "| ended in | during | begins again as |",
        "|---|---|---|",
    ]
    return lines + [f"| {leg} | {step} | {begun} |" for (leg, step), begun in RESUME_IN.items()]


if __name__ == "__main__":
    PATH.write_text(document(), encoding="utf-8")
