"""What is to be changed is known before anything is: the plan of every family is what is then done."""

from __future__ import annotations

from pathlib import Path

from contracts.adaptation import AdaptationReport
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.test_families import every_shape
from tests.unit.adaptation.trees.shape import Shape


def rows(report: AdaptationReport) -> list[tuple[str, str, str, str, str]]:
    return [(each.step, each.operation, each.path, each.after, each.reason) for each in report.changes]


@every_shape
def test_plan_names_every_change_that_is_then_made_and_changes_nothing(shape: Shape, tmp_path: Path) -> None:
    run = FixtureRun(shape, tmp_path)
    before = run.snapshot()
    plan = run.plan()
    assert run.snapshot() == before
    assert not (run.root / "var/lib/sms-adapt").exists()
    made = run.adapt()
    assert rows(plan) == rows(made)
    assert plan.verdict == "passed"
