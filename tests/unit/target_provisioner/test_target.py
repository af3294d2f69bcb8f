"""The record of a target: names, answers, points."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import DiskRequest, ProvisionTarget
from services.target_provisioner.domain.target import (
    ANSWERS_KEPT,
    Answer,
    Layer,
    Target,
    name_for,
    provisioned,
    released,
    with_point,
    without_machine,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TOP = (AttachedDisk(name="vda", path="/r/vda-0001.qcow2", format="qcow2"),)


def test_a_repeated_request_makes_things_of_the_same_name_and_another_attempt_does_not() -> None:
    assert name_for("layer", "t1:layer:1") == name_for("layer", "t1:layer:1")
    assert name_for("layer", "t1:layer:1") != name_for("layer", "t1:layer:2")
    assert len(name_for("volume", "x" * 500)) < 64


def test_only_the_last_answers_are_remembered() -> None:
    target = Target(id="t1", task_id="t1")
    for number in range(ANSWERS_KEPT + 5):
        target = target.answered(Answer(request_id=str(number), type="x", event="{}"))
    assert len(target.answers) == ANSWERS_KEPT
    assert target.answer_to("0") is None
    assert target.answer_to(str(ANSWERS_KEPT + 4)) is not None


def test_merged_points_leave_the_record_and_a_repeated_point_stands_once() -> None:
    target = Target(id="t1", task_id="t1")
    for point in ("p1", "p2", "p2"):
        target = with_point(target, point, taken_at=NOW, disks=TOP, layers=2, dropped=())
    assert [point.id for point in target.points] == ["p1", "p2"]
    target = with_point(target, "p3", taken_at=NOW, disks=TOP, layers=8, dropped=("p1",))
    assert [point.id for point in target.points] == ["p2", "p3"]
    assert target.replica_disks == TOP


def test_a_failed_launch_takes_its_layer_and_leaves_points_and_replica() -> None:
    target = Target(id="t1", task_id="t1", replica_disks=TOP, layers=(Layer(id="l1", point_id="p1"),))
    target = with_point(target, "p1", taken_at=NOW, disks=TOP, layers=2, dropped=())
    thrown = without_machine(target, "l1")
    assert (thrown.layers, thrown.is_launching) == ((), False)
    assert (thrown.points, thrown.replica_disks) == (target.points, target.replica_disks)


def test_a_released_target_may_be_provisioned_again_and_starts_empty() -> None:
    command = ProvisionTarget(
        request_id="r", task_id="t1", target_id="t1", disks=(DiskRequest(name="vda", size_bytes=1),)
    )
    old = with_point(Target(id="t1", task_id="t1"), "p1", taken_at=NOW, disks=TOP, layers=2, dropped=())
    gone = released(old.answered(Answer(request_id="a", type="x", event="{}")))
    assert (gone.state, gone.points) == ("released", ())
    fresh = provisioned(command, TOP, gone)
    assert (fresh.state, fresh.points, fresh.replica_disks) == ("provisioned", (), TOP)
    assert fresh.answer_to("a") is not None
    assert provisioned(command, TOP, old).points == old.points
