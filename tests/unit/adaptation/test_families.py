"""Every family of systems: adapted, checked, adapted again without a change, and taken back to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.target.adaptation.families import FAMILIES, GENERIC
from agents.target.adaptation.system import detect_system
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationReport
from tests.unit.adaptation.fixture_run import FixtureRun, difference
from tests.unit.adaptation.trees import debian, logical, redhat, redhat_derived, suse
from tests.unit.adaptation.trees.shape import Shape

SHAPES = (*redhat.SHAPES, *redhat_derived.SHAPES, *debian.SHAPES, *suse.SHAPES, *logical.SHAPES)
GOLDEN = Path(__file__).with_name("golden")
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def golden_text(report: AdaptationReport, changes: list[str]) -> str:
    """What is kept of an adaptation for later ones to be compared with."""
    failed = [f"{check.severity} {check.id}: {check.failure.cause}" for check in report.checks if check.failure]
    facts = [f"{name}: {value}" for name, value in sorted((report.facts | report.needs).items())]
    return "\n".join([f"verdict: {report.verdict}", "", *facts, "", *failed, "", *changes]).rstrip() + "\n"


def matrix_row(shape: Shape, report: AdaptationReport) -> tuple[str, ...]:
    facts = report.facts
    warned = ", ".join(sorted({check.id for check in report.checks if check.failure}))
    result = f"{report.verdict}, warned of {warned}" if warned else report.verdict
    menu, tool = facts["boot_loader"], facts["initramfs_tool"] or "drivers appended"
    return facts["family"], shape.name, shape.firmware, menu, tool, str(len(report.changes)), result


@every_shape
def test_system_is_adapted_as_it_was_when_a_person_looked_at_it(
    shape: Shape, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    run = FixtureRun(shape, tmp_path)
    before = run.snapshot()
    report = run.adapt()
    text = golden_text(report, difference(before, run.snapshot()))
    assert report.verdict == "passed", text
    assert text == (GOLDEN / f"{shape.name}.txt").read_text()
    record_property("tree", matrix_row(shape, report))


@every_shape
def test_second_adaptation_changes_nothing_and_the_first_is_taken_back_to_the_byte(
    shape: Shape, tmp_path: Path
) -> None:
    run = FixtureRun(shape, tmp_path)
    before = run.snapshot()
    run.adapt()
    adapted = run.snapshot()
    again = run.adapt(name="again")
    assert again.changes == ()
    assert run.snapshot() == adapted
    assert run.undo() == []
    assert run.snapshot() == before


def test_every_family_has_a_tree(tmp_path: Path) -> None:
    seen = set()
    for shape in SHAPES:
        root = tmp_path / shape.name
        root.mkdir()
        shape.build(root)
        tree = Tree(root)
        seen.add(detect_system(tree, is_uefi=shape.firmware == "UEFI").family.name)
        tree.close()
    assert {family.name for family in (*FAMILIES, GENERIC)} == seen
