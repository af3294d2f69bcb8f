from __future__ import annotations

import pytest

from contracts.errors import ErrorCode, MigrationError
from contracts.messages.migration_project import MigrationChoices
from contracts.messages.task import Phase, TaskAction
from contracts.task_settings import NetworkCheck
from services.task.domain.instructions import agent_command
from services.task.domain.network import judged, verdict
from services.task.domain.phases import Leg, Step
from services.task.domain.saga import act, fail, measure, succeed
from services.task.domain.task import Task
from tests.unit.task.saga_world import cause, learned, new_task

MENDABLE = ErrorCode(code="SMS.TEST.MENDABLE", cause="c", remedy="r", is_resumable=True)


def a_check(**found: object) -> NetworkCheck:
    fields = {
        "delay_ms": 1,
        "jitter_ms": 0.1,
        "bandwidth_mbit_s": 800,
        "loss_percent": 0,
        "cpu_percent": 0,
        "memory_percent": 0,
        "verdict": "",
    }
    return NetworkCheck.model_validate(fields | found)


def run(task: Task, until: Step | None = None) -> tuple[Task, list[Step]]:
    ran: list[Step] = []
    while task.step is not None and task.step is not until:
        ran.append(task.step)
        extra = learned(task, cause().at)
        if task.step is Step.CHECK_NETWORK:
            extra = {"network_check": judged(a_check(), task)}
        task = succeed(task, cause(), **extra)
    return task, ran


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({}, "good"),
        ({"bandwidth_mbit_s": 99}, "usable"),
        ({"loss_percent": 0.6}, "usable"),
        ({"delay_ms": 150}, "usable"),
        ({"bandwidth_mbit_s": 9}, "poor"),
        ({"loss_percent": 4}, "poor"),
        ({"delay_ms": 301}, "poor"),
        ({"bandwidth_mbit_s": 4.5, "limit_mbit_s": 5}, "good"),
        ({"bandwidth_mbit_s": 2, "limit_mbit_s": 5}, "poor"),
    ],
)
def test_the_worst_figure_decides_and_a_limit_of_the_users_own_is_no_fault(found: dict[str, object], word: str) -> None:
    assert verdict(a_check(**found)) == word


def test_a_measurement_forecasts_the_full_copy() -> None:
    task = new_task()
    volume = task.layout.volumes[0].model_copy(update={"estimated_bytes": 10_000_000_000})
    task = task.model_copy(update={"layout": task.layout.model_copy(update={"volumes": (volume,)})})
    found = judged(a_check(bandwidth_mbit_s=80), task)
    assert (found.bytes_to_copy, found.forecast_s) == (10_000_000_000, 1000)
    assert judged(a_check(bandwidth_mbit_s=0), task).forecast_s is None


def test_the_network_is_measured_before_the_start_and_nothing_is_formatted() -> None:
    task, ran = run(measure(new_task(), cause()))
    assert Step.PREPARE_TARGET not in ran
    assert ran[-3:] == [Step.OPEN_CHANNEL, Step.CHECK_NETWORK, Step.DETACH]
    assert (task.phase, task.target.is_formatted) == (Phase.READY, False)
    assert task.network_check is not None
    assert task.network_check.verdict == "good"
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.NO_CONSENT"):
        act(task, TaskAction.START, cause(), has_consent=False, overwrite_target=False)


def test_the_helper_listens_for_a_measurement_with_no_disk_behind_it() -> None:
    opening, _ = run(measure(new_task(), cause()), until=Step.OPEN_CHANNEL)
    command = agent_command(opening)
    assert command is not None
    message = command.message
    assert (message.disks, message.layout.volumes, message.is_formatted) == ((), (), True)  # type: ignore[attr-defined]
    assert message.generation != opening.generation  # type: ignore[attr-defined]


def test_a_measurement_that_fails_leaves_the_task_ready_with_the_reason() -> None:
    measuring, _ = run(measure(new_task(), cause()), until=Step.CHECK_NETWORK)
    task = fail(measuring, MENDABLE.failure(), cause(), source_has_stopped=True)
    assert (task.phase, task.leg) == (Phase.READY, Leg.WAITING)
    assert task.failure is not None


@pytest.mark.parametrize(("is_wanted", "is_measured"), [(True, True), (False, False)])
def test_a_start_measures_first_when_it_is_wanted(is_wanted: bool, is_measured: bool) -> None:
    task = new_task().model_copy(update={"choices": MigrationChoices(checks_network=is_wanted)})
    copying, ran = run(act(task, TaskAction.START, cause(), has_consent=True, overwrite_target=False), Step.COPY)
    assert (Step.CHECK_NETWORK in ran) is is_measured
    assert (copying.network_check is not None) is is_measured


def test_what_was_measured_before_the_start_is_not_measured_again() -> None:
    task = new_task().model_copy(update={"choices": MigrationChoices(checks_network=True)})
    task, _ = run(measure(task, cause()))
    _, ran = run(act(task, TaskAction.START, cause(), has_consent=True, overwrite_target=False), Step.COPY)
    assert Step.CHECK_NETWORK not in ran


def test_a_task_that_has_begun_is_not_measured_beside_its_copy() -> None:
    copying, _ = run(act(new_task(), TaskAction.START, cause(), has_consent=True, overwrite_target=False), Step.COPY)
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.NOT_ALLOWED"):
        measure(copying, cause())
