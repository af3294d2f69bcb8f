"""Every point is planned anew: the task says what is to be done before it is, and what differs from the last plan."""

from __future__ import annotations

import pytest

from contracts.adaptation import AdaptationChange, AdaptationReport
from contracts.errors.adaptation import SPACE
from contracts.messages.agent import AgentResult
from services.task.domain.answers import failure_of, learn_from_agent
from services.task.domain.instructions import agent_command
from services.task.domain.phases import LEGS, Leg, Step
from services.task.domain.task import Helper
from services.task.domain.view import listed, show
from tests.unit.task.saga_world import START, new_task

FSTAB = AdaptationChange(step="S05", path="/etc/fstab", operation="edit")
OLD_IMAGE = AdaptationChange(step="S11", path="/boot/initrd.img-6.1.0-9", operation="edit")
NEW_IMAGE = AdaptationChange(step="S11", path="/boot/initrd.img-6.1.0-10", operation="edit")
HELPER = Helper(agent_id="h1", volume_id="v1")


def report(*changes: AdaptationChange) -> AdaptationReport:
    return AdaptationReport(verdict="passed", changes=changes)


def learned(before: AdaptationReport | None, plan: AdaptationReport) -> AdaptationReport:
    task = new_task().model_copy(update={"leg": Leg.LAUNCHING, "step": Step.PLAN, "adaptation_plan": before})
    result = AgentResult(task_id="t1", epoch=1, verb="plan-adaptation", plan=plan)
    found = learn_from_agent(task, result)["adaptation_plan"]
    assert isinstance(found, AdaptationReport)
    return found


@pytest.mark.parametrize("leg", [leg for leg, plan in LEGS.items() if Step.ADAPT in plan.steps])
def test_every_layer_is_planned_before_it_is_adapted(leg: Leg) -> None:
    steps = LEGS[leg].steps
    assert steps.index(Step.CREATE_LAYER) < steps.index(Step.PLAN) == steps.index(Step.ADAPT) - 1


def test_first_plan_differs_from_nothing() -> None:
    assert learned(None, report(FSTAB)).difference is None


def test_source_with_another_kernel_is_told_by_what_is_planned_otherwise() -> None:
    difference = learned(report(FSTAB, OLD_IMAGE), report(FSTAB, NEW_IMAGE)).difference
    assert difference is not None
    assert (difference.added, difference.removed) == ((NEW_IMAGE,), (OLD_IMAGE,))
    same = learned(report(FSTAB), report(FSTAB)).difference
    assert same is not None
    assert (same.added, same.removed) == ((), ())


def test_plan_is_shown_until_it_is_carried_out_and_the_report_of_the_layer_before_is_not() -> None:
    task = new_task().model_copy(update={"leg": Leg.LAUNCHING, "step": Step.PLAN, "adaptation": report(OLD_IMAGE)})
    result = AgentResult(task_id="t1", epoch=1, verb="plan-adaptation", plan=report(NEW_IMAGE))
    view = show(task.model_copy(update=learn_from_agent(task, result)), None, START)
    assert (view.adaptation_plan, view.adaptation) == (report(NEW_IMAGE), None)
    assert listed(view).adaptation_plan is None


def test_plan_that_finds_no_room_ends_the_launch_before_anything_is_changed() -> None:
    failure = SPACE.failure(mount_point="/boot", free_bytes=1, free_inodes=1, needed_bytes=2, needed_inodes=100)
    plan = AdaptationReport(verdict="failed", failure=failure)
    assert failure_of(AgentResult(task_id="t1", epoch=1, verb="plan-adaptation", plan=plan)) == failure


def test_plan_and_adaptation_get_the_same_facts_of_the_target() -> None:
    orders = []
    for step in (Step.PLAN, Step.ADAPT):
        task = new_task()
        options = task.options.model_copy(update={"identity": "new"})
        update = {"leg": Leg.LAUNCHING, "step": step, "options": options, "helper": HELPER}
        order = agent_command(task.model_copy(update=update))
        assert order is not None
        orders.append(order.message.model_dump(exclude={"epoch"})["target_facts"])
    assert orders[0] == orders[1]
    assert (orders[0]["identity"], orders[0]["seed"]) == ("new", "t1")
