from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.cutover import CommandOutcome, CutoverSettings, CutoverWork, SourceCommand
from contracts.errors import ErrorCode, MigrationError
from contracts.messages.agent import AgentResult
from contracts.messages.task import Phase, TaskAction
from contracts.transfer import CopySummary
from services.task.domain.answers import learn_following, learn_from_agent
from services.task.domain.cutover import cut_over, learn_cutover
from services.task.domain.forecast import forecast
from services.task.domain.instructions import agent_command, service_command
from services.task.domain.phases import ACTIONS, LEGS, Leg, Step
from services.task.domain.saga import act, allowed_actions, fail, skip, succeed
from services.task.domain.task import Task
from services.task.domain.view import show, v3_state
from tests.unit.task.saga_world import cause, learned, new_task

MENDABLE = ErrorCode(code="SMS.TEST.MENDABLE", cause="c", remedy="r", is_resumable=True)
BROKEN = ErrorCode(code="SMS.TEST.BROKEN", cause="c", remedy="r")
AFTER = CommandOutcome(name="after 1", exit_code=0)


def ask(task: Task, action: TaskAction, *, minutes: float = 0, overwrite_target: bool = False) -> Task:
    return act(task, action, cause(minutes), has_consent=True, overwrite_target=overwrite_target)


def run(task: Task, *, until: Step | None = None, minutes: float = 0) -> tuple[Task, list[Step]]:
    """Let every step succeed until one is reached, or the task rests; the steps that ran."""
    ran: list[Step] = []
    while task.step is not None and task.step is not until:
        ran.append(task.step)
        at = cause(minutes)
        task = succeed(task, at, **learned(task, at.at))
    return task, ran


def launched() -> Task:
    task, _ = run(ask(new_task(), TaskAction.START))
    return task


def test_a_task_that_meets_no_failure_ends_launched_on_an_isolated_network() -> None:
    task, ran = run(ask(new_task(), TaskAction.START))
    assert task.phase is Phase.LAUNCHED
    assert ran[0] is Step.PROVISION
    assert ran[-1] is Step.LAUNCH
    assert not task.is_cut_over


def test_the_network_of_the_target_opens_with_the_cutover_only() -> None:
    first, _ = run(ask(new_task(), TaskAction.START), until=Step.LAUNCH)
    cutover, _ = run(ask(launched(), TaskAction.CUTOVER), until=Step.LAUNCH)
    for task, is_isolated in ((first, True), (cutover, False)):
        command = service_command(task)
        assert command is not None
        assert command.message.is_isolated is is_isolated  # type: ignore[attr-defined]


def test_a_cutover_ends_cut_over_after_one_more_sync_round() -> None:
    task, ran = run(ask(launched(), TaskAction.CUTOVER))
    assert task.is_cut_over
    assert ran.count(Step.SYNC) == 1
    assert task.round_number == 1


def test_certificates_that_still_hold_are_not_asked_for_again() -> None:
    _, soon = run(ask(launched(), TaskAction.SYNC, minutes=5), minutes=5)
    _, late = run(ask(launched(), TaskAction.SYNC, minutes=45), minutes=45)
    assert Step.SOURCE_CERTIFICATE not in soon
    assert Step.SOURCE_CERTIFICATE in late


def test_start_without_consent_names_the_disks_that_would_be_wiped() -> None:
    with pytest.raises(MigrationError) as refused:
        act(new_task(), TaskAction.START, cause(), has_consent=False, overwrite_target=False)
    assert refused.value.code == "SMS.TASK.NO_CONSENT"
    assert "vda" in refused.value.failure.cause


def test_a_sync_after_the_cutover_needs_an_explicit_word() -> None:
    task, _ = run(ask(launched(), TaskAction.CUTOVER))
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.OVERWRITES_TARGET"):
        ask(task, TaskAction.SYNC)
    assert ask(task, TaskAction.SYNC, overwrite_target=True).phase is Phase.SYNCING


def test_a_failed_copy_resumes_without_provisioning_or_formatting_again() -> None:
    copying, _ = run(ask(new_task(), TaskAction.START), until=Step.COPY)
    paused = fail(copying, MENDABLE.failure(), cause(), source_has_stopped=True)
    assert paused.phase is Phase.PAUSED
    resumed, ran = run(ask(paused, TaskAction.START), until=Step.COPY)
    assert Step.PROVISION not in ran
    assert ran[0] is Step.BOOT_HELPER
    assert resumed.target.is_formatted


def test_the_source_is_stopped_before_a_task_rests_because_the_target_side_failed() -> None:
    copying, _ = run(ask(new_task(), TaskAction.START), until=Step.COPY)
    stopping = fail(copying, MENDABLE.failure(), cause(), source_has_stopped=False)
    assert (stopping.phase, stopping.step) == (Phase.STOPPING, Step.STOP_SOURCE)
    paused, _ = run(stopping)
    assert paused.phase is Phase.PAUSED
    assert paused.failure is not None
    assert paused.failure.code == "SMS.TEST.MENDABLE"


def test_a_failed_launch_is_tried_again_from_the_same_point_in_a_new_layer() -> None:
    launching, _ = run(ask(new_task(), TaskAction.START), until=Step.LAUNCH)
    failed = fail(launching, BROKEN.failure(), cause(), source_has_stopped=True)
    assert failed.phase is Phase.FAILED
    again, ran = run(ask(failed, TaskAction.START))
    assert Step.TAKE_POINT not in ran
    assert again.target.points == launching.target.points
    assert again.target.layer_id != launching.target.layer_id


def test_a_failed_verification_leaves_the_target_launched() -> None:
    verifying, _ = run(ask(launched(), TaskAction.VERIFY), until=Step.VERIFY)
    after = fail(verifying, BROKEN.failure(), cause(), source_has_stopped=True)
    assert after.phase is Phase.LAUNCHED
    assert TaskAction.FINISH in allowed_actions(after)


def test_a_copy_that_cannot_be_launched_can_still_be_verified() -> None:
    launching, _ = run(ask(new_task(), TaskAction.START), until=Step.ADAPT)
    failed = fail(launching, BROKEN.failure(), cause(), source_has_stopped=True)
    verified, ran = run(ask(failed, TaskAction.VERIFY))
    assert Step.VERIFY in ran
    assert verified.phase is Phase.FAILED
    assert verified.failure == failed.failure


def test_finish_ends_even_though_the_source_never_answers() -> None:
    finishing, _ = run(ask(launched(), TaskAction.FINISH), until=Step.FORGET_SOURCE)
    finished, _ = run(succeed(finishing, cause()))
    assert finished.phase is Phase.FINISHED
    assert finished.finished_at is not None


def test_every_step_asks_exactly_one_party() -> None:
    for leg, plan in LEGS.items():
        for step in plan.steps:
            task, _ = run(ask(new_task(), TaskAction.START))
            moved = task.model_copy(update={"leg": leg, "step": step})
            asked = [service_command(moved), agent_command(moved)]
            assert sum(command is not None for command in asked) == 1, (leg, step)


def test_nothing_can_be_asked_of_a_deleted_task() -> None:
    task, _ = run(ask(new_task(), TaskAction.DELETE))
    assert task.phase is Phase.DELETED
    assert allowed_actions(task) == ()


def test_every_action_of_the_table_leads_to_a_leg_of_the_table() -> None:
    for leg in ACTIONS.values():
        assert leg in LEGS
    assert set(Leg) == set(LEGS)


def checked() -> Task:
    return new_task().model_copy(update={"checks_consistency": True})


def test_a_task_that_wants_every_copy_checked_verifies_before_each_launch() -> None:
    task, ran = run(ask(checked(), TaskAction.START))
    assert ran.index(Step.COPY) < ran.index(Step.VERIFY) < ran.index(Step.DETACH)
    assert task.phase is Phase.LAUNCHED
    assert task.consistency_at == cause().at
    _, again = run(ask(task, TaskAction.SYNC))
    assert again.index(Step.SYNC) < again.index(Step.VERIFY) < again.index(Step.LAUNCH)


def test_a_skipped_check_stops_the_source_and_goes_on_to_the_launch() -> None:
    checking, _ = run(ask(checked(), TaskAction.START), until=Step.VERIFY)
    skipping = skip(checking, cause())
    assert v3_state(skipping) == "SKIPPING"
    launched_task, ran = run(skipping)
    assert ran[0] is Step.STOP_SOURCE
    assert launched_task.phase is Phase.LAUNCHED
    assert launched_task.verification is None


def test_a_skipped_verification_detaches_the_replica_again() -> None:
    verifying, _ = run(ask(launched(), TaskAction.VERIFY), until=Step.VERIFY)
    task, ran = run(skip(verifying, cause()))
    assert ran == [Step.STOP_SOURCE, Step.DETACH]
    assert task.phase is Phase.LAUNCHED


def test_nothing_but_a_running_verification_can_be_skipped() -> None:
    copying, _ = run(ask(new_task(), TaskAction.START), until=Step.COPY)
    with pytest.raises(MigrationError, match=r"SMS\.TASK\.NOTHING_TO_SKIP"):
        skip(copying, cause())


def test_an_interrupted_check_begins_again_without_copying() -> None:
    checking, _ = run(ask(checked(), TaskAction.START), until=Step.VERIFY)
    paused = fail(checking, MENDABLE.failure(), cause(), source_has_stopped=True)
    _, ran = run(ask(paused, TaskAction.START))
    assert Step.COPY not in ran
    assert ran.index(Step.BOOT_HELPER) < ran.index(Step.VERIFY) < ran.index(Step.LAUNCH)


def test_a_sub_task_names_the_operation_that_led_to_it() -> None:
    task, _ = run(ask(launched(), TaskAction.SYNC))
    operations = {sub_task.name: sub_task.user_operation for sub_task in show(task, None).sub_tasks}
    assert operations["MIGRATE_LINUX_FILE"] == "start"
    assert operations["SYNC_LINUX_FILE"] == "sync"


def cutting_over(work: CutoverWork | None, *, fails: bool = False) -> tuple[Task, AgentResult]:
    """A cutover whose source has just answered its last round."""
    settings = CutoverSettings(before=(SourceCommand(script="stop"),), after=(SourceCommand(script="start"),))
    task = launched().model_copy(update={"cutover_settings": settings})
    syncing, _ = run(ask(task, TaskAction.CUTOVER), until=Step.SYNC)
    failure = MENDABLE.failure() if fails else None
    return syncing, AgentResult(task_id="t1", epoch=syncing.epoch, verb="cut-over", cutover=work, failure=failure)


def held() -> Task:
    syncing, result = cutting_over(CutoverWork(before_s=2, last_round_s=3, downtime_s=5))
    learned_here = learn_from_agent(syncing, result) | learn_cutover(syncing, result, cause(1).at)
    return succeed(syncing, cause(1), **learned_here)


def test_an_agent_that_cannot_run_commands_is_not_asked_in_words_that_it_knows() -> None:
    syncing, _ = cutting_over(None)
    command = agent_command(syncing)
    assert command is not None
    assert command.message.VERB == "cut-over"
    plain, _ = run(ask(launched(), TaskAction.CUTOVER), until=Step.SYNC)
    command = agent_command(plain)
    assert command is not None
    assert (command.message.VERB, command.message.is_final) == ("sync", True)  # type: ignore[attr-defined]


def test_a_cutover_measures_the_downtime_by_its_parts() -> None:
    launching, _ = run(held(), until=Step.LAUNCH, minutes=2)
    done = succeed(launching.model_copy(update={"boot_s": 9.0}), cause(3), **learned(launching, cause(3).at))
    assert done.is_cut_over
    assert done.step is Step.RELEASE_SOURCE
    report = done.cutover
    assert report is not None
    assert report.downtime_s == 5 + 120
    assert sum(each.seconds for each in report.phases) == pytest.approx(report.downtime_s)
    assert {each.name: each.seconds for each in report.phases}["launch"] == 60
    event = cut_over(done)
    assert event is not None
    assert (event.downtime_s, event.boot_s) == (125, 9)
    assert cut_over(succeed(done, cause(3.1))) is None, "it is said once"


def test_the_source_gets_its_commands_after_the_launch_or_after_any_failure() -> None:
    done, ran = run(held())
    assert ran[-1] is Step.RELEASE_SOURCE
    assert (done.phase, done.is_source_held) == (Phase.LAUNCHED, False)
    launching, _ = run(held(), until=Step.ADAPT)
    stopping = fail(launching, BROKEN.failure(), cause(), source_has_stopped=False)
    assert (stopping.step, stopping.resume_leg) == (Step.STOP_SOURCE, Leg.CUTTING_OVER)
    result = AgentResult(task_id="t1", epoch=stopping.epoch, verb="stop-work", cutover=CutoverWork(after=(AFTER,)))
    paused = succeed(stopping, cause(), **learn_cutover(stopping, result, cause().at))
    assert paused.phase is Phase.PAUSED
    assert not paused.is_source_held
    assert paused.cutover is not None
    assert paused.cutover.work.after == (AFTER,)
    assert paused.cutover.work.last_round_s == 3


def test_a_cutover_whose_source_was_given_back_copies_again_before_it_launches() -> None:
    launching, _ = run(held(), until=Step.LAUNCH)
    paused, _ = run(fail(launching, MENDABLE.failure(), cause(), source_has_stopped=True))
    _, ran = run(ask(paused, TaskAction.START))
    assert ran.index(Step.SYNC) < ran.index(Step.LAUNCH)


def test_a_source_that_failed_at_its_own_part_has_given_the_server_back_itself() -> None:
    syncing, result = cutting_over(CutoverWork(after=(AFTER,)), fails=True)
    known = syncing.model_copy(update=learn_cutover(syncing, result, cause().at))
    paused = fail(known, MENDABLE.failure(), cause(), source_has_stopped=True)
    assert (paused.phase, paused.step) == (Phase.PAUSED, None)
    assert paused.cutover is not None
    assert paused.cutover.work.after == (AFTER,)


def test_an_absent_source_does_not_undo_a_cutover() -> None:
    releasing, _ = run(held(), until=Step.RELEASE_SOURCE)
    refused = fail(releasing, BROKEN.failure(), cause(), source_has_stopped=True)
    assert refused.phase is Phase.LAUNCHED
    assert refused.is_cut_over


def test_rounds_of_a_cutover_are_numbered_on() -> None:
    syncing, result = cutting_over(CutoverWork(rounds=(CopySummary(round_number=0), CopySummary(round_number=0))))
    learned_here = learn_from_agent(syncing, result) | learn_cutover(syncing, result, cause().at)
    assert [each.round_number for each in learned_here["rounds"]][-3:] == [1, 2, 3]
    assert learned_here["rounds"][-1].began_at == syncing.steps[Step.SYNC].began_at
    assert learned_here["round_number"] == 3


def test_a_continuous_sync_goes_on_until_something_else_is_asked_for() -> None:
    def wanted(task: Task) -> tuple[int, bool, bool]:
        command = agent_command(run(task, until=Step.SYNC)[0])
        assert command is not None
        message = command.message
        return message.round_number, message.is_continuous, message.is_final  # type: ignore[attr-defined]

    following = act(launched(), TaskAction.SYNC, cause(0), has_consent=True, overwrite_target=False, is_continuous=True)
    assert wanted(following) == (1, True, False)
    following, _ = run(following, until=Step.SYNC)
    assert wanted(ask(following, TaskAction.LAUNCH)) == (2, False, False)
    assert run(ask(following, TaskAction.LAUNCH))[0].phase is Phase.LAUNCHED
    assert wanted(ask(following, TaskAction.CUTOVER)) == (2, False, True)
    assert run(ask(following, TaskAction.CUTOVER))[0].is_cut_over
    stopped, _ = run(ask(following, TaskAction.STOP))
    assert stopped.phase is Phase.PAUSED
    assert wanted(ask(stopped, TaskAction.START)) == (1, True, False), "that round has not ended"


def test_a_continuous_sync_that_is_stopped_says_until_when_the_target_is_in_step() -> None:
    following = act(launched(), TaskAction.SYNC, cause(0), has_consent=True, overwrite_target=False, is_continuous=True)
    stopping = ask(run(following, until=Step.SYNC)[0], TaskAction.STOP)
    assert stopping.step is Step.STOP_SOURCE
    summary = CopySummary(round_number=1, seconds=7200, bytes_content=9)
    result = AgentResult(task_id="t1", epoch=stopping.epoch, verb="stop-work", summary=summary, lag_s=3)
    learned_here = learn_following(stopping, result, cause(120).at)
    assert learned_here["rounds"][-1].began_at == cause(120).at - timedelta(seconds=3)
    stopped = succeed(stopping, cause(120), **learned_here)
    assert stopped.phase is Phase.PAUSED
    found = forecast(stopped, None, cause(121).at)
    assert found is not None
    assert found.lag_s == 63
    resumed, _ = run(ask(stopped, TaskAction.START), until=Step.SYNC)
    command = agent_command(resumed)
    assert command is not None
    assert (command.message.round_number, command.message.is_continuous) == (2, True)  # type: ignore[attr-defined]
    cut_short = learn_following(stopping, result.model_copy(update={"summary": None}), cause(120).at)
    assert list(cut_short) == ["in_step_at"], "no round of it has ended"
    copied = stopping.model_copy(update={"rounds": (CopySummary(round_number=0, began_at=cause(0).at),)})
    found = forecast(succeed(copied, cause(120), **cut_short), None, cause(121).at)
    assert found is not None
    assert found.lag_s == 63
    unknown = result.model_copy(update={"lag_s": None})
    assert learn_following(stopping, unknown, cause(120).at) == {}, "a source that could not say it"
