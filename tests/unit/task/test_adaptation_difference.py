"""Every point is planned anew, and the task says what is done otherwise than before."""

from __future__ import annotations

from contracts.adaptation import AdaptationChange, AdaptationReport
from contracts.messages.agent import AgentResult
from services.task.domain.answers import learn_from_agent
from services.task.domain.phases import Leg, Step
from tests.unit.task.saga_world import new_task

FSTAB = AdaptationChange(step="S05", path="/etc/fstab", operation="edit")
OLD_IMAGE = AdaptationChange(step="S11", path="/boot/initrd.img-6.1.0-9", operation="edit")
NEW_IMAGE = AdaptationChange(step="S11", path="/boot/initrd.img-6.1.0-10", operation="edit")


def report(*changes: AdaptationChange) -> AdaptationReport:
    return AdaptationReport(verdict="passed", changes=changes)


def learned(before: AdaptationReport | None, after: AdaptationReport) -> AdaptationReport:
    task = new_task().model_copy(update={"leg": Leg.LAUNCHING, "step": Step.ADAPT, "adaptation": before})
    result = AgentResult(task_id="t1", epoch=1, verb="adapt-layer", adaptation=after)
    found = learn_from_agent(task, result)["adaptation"]
    assert isinstance(found, AdaptationReport)
    return found


def test_first_adaptation_differs_from_nothing() -> None:
    assert learned(None, report(FSTAB)).difference is None


def test_source_with_another_kernel_is_told_by_what_is_done_otherwise() -> None:
    difference = learned(report(FSTAB, OLD_IMAGE), report(FSTAB, NEW_IMAGE)).difference
    assert difference is not None
    assert (difference.added, difference.removed) == ((NEW_IMAGE,), (OLD_IMAGE,))
    same = learned(report(FSTAB), report(FSTAB)).difference
    assert same is not None
    assert (same.added, same.removed) == ((), ())
