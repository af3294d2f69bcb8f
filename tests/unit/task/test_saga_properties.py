"""Any user, any answer, any failure, in any order: the invariants of the task state machine hold."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.errors import ErrorCode, MigrationError
from contracts.messages.task import Phase, TaskAction
from services.task.domain.instructions import agent_command, service_command
from services.task.domain.phases import ACTIONS, AT_REST, CHECKED_FIRST, FINAL, LEGS, RESUME_IN, SKIPS, Leg, Step
from services.task.domain.saga import act, fail, note, skip, succeed
from tests.unit.task.saga_world import cause, learned, new_task

FAILURES = st.sampled_from(
    [
        ErrorCode(code="SMS.TEST.MENDABLE", cause="c", remedy="r", is_resumable=True),
        ErrorCode(code="SMS.TEST.BROKEN", cause="c", remedy="r"),
    ]
)
_REACHABLE = (
    {plan.then for plan in LEGS.values()}
    | set(ACTIONS.values())
    | set(RESUME_IN.values())
    | set(CHECKED_FIRST.values())
    | set(SKIPS.values())
)
_RESTS = {Leg.PAUSED, Leg.FAILED, Leg.LAUNCHED, Leg.STOPPING}


class TaskMachine(RuleBasedStateMachine):
    """Folds its own history beside the record."""

    def __init__(self) -> None:
        super().__init__()
        self.task = new_task()
        self.history = []
        self.minutes = 0.0
        self.epochs = [0]
        self.was_formatted = False

    def _move(self, changed):
        assert changed.version == self.task.version + 1
        assert changed.leg in _REACHABLE | _RESTS
        self.history.append(changed.last_entry)
        self.epochs.append(changed.epoch)
        self.task = changed

    @rule(action=st.sampled_from(list(TaskAction)), consent=st.booleans(), overwrite=st.booleans())
    def user_asks(self, action, consent, overwrite):
        before = self.task
        try:
            changed = act(before, action, cause(self.minutes), has_consent=consent, overwrite_target=overwrite)
        except MigrationError as refused:
            assert refused.failure.remedy  # noqa: PT017 - a refusal is one of two good outcomes
            return
        assert before.leg not in FINAL or action is TaskAction.DELETE
        self._move(changed)

    @rule()
    def user_skips(self):
        try:
            changed = skip(self.task, cause(self.minutes))
        except MigrationError as refused:
            assert refused.code == "SMS.TASK.NOTHING_TO_SKIP"  # noqa: PT017 - one of two good outcomes
            assert self.task.step is not Step.VERIFY
            return
        assert changed.step is Step.STOP_SOURCE
        self._move(changed)

    @rule(checks=st.booleans())
    def user_sets_something(self, checks):
        changed = note(self.task, cause(self.minutes), checks_consistency=checks)
        assert (changed.leg, changed.step, changed.epoch) == (self.task.leg, self.task.step, self.task.epoch)
        self.history.append(changed.last_entry)
        self.task = changed

    @precondition(lambda self: self.task.step is not None)
    @rule()
    def step_succeeds(self):
        at = cause(self.minutes)
        self._move(succeed(self.task, at, **learned(self.task, at.at)))

    @precondition(lambda self: self.task.step is not None)
    @rule(code=FAILURES, has_stopped=st.booleans())
    def step_fails(self, code, has_stopped):
        self._move(fail(self.task, code.failure(), cause(self.minutes), source_has_stopped=has_stopped))

    @rule(minutes=st.floats(0, 90))
    def time_passes(self, minutes):
        self.minutes += minutes

    @invariant()
    def versions_count_the_transitions(self):
        assert self.task.version == len(self.history)
        assert [entry.version for entry in self.history] == list(range(1, len(self.history) + 1))

    @invariant()
    def the_history_folds_to_the_record(self):
        phase = Phase.READY
        for entry in self.history:
            assert entry.from_phase is phase
            phase = entry.to_phase
        assert phase is self.task.phase

    @invariant()
    def epochs_only_grow(self):
        assert self.epochs == sorted(set(self.epochs))

    @invariant()
    def a_task_that_stands_still_against_its_users_will_says_why(self):
        if self.task.phase in {Phase.PAUSED, Phase.FAILED}:
            assert self.task.failure is not None
            assert self.task.resume_leg is not None

    @invariant()
    def it_rests_or_waits_for_exactly_one_party(self):
        assert (self.task.step is None) == (self.task.leg in AT_REST)
        if self.task.step is not None and self.task.helper is not None:
            assert (service_command(self.task) is None) != (agent_command(self.task) is None)

    @invariant()
    def a_formatted_replica_is_never_formatted_again(self):
        self.was_formatted |= self.task.target.is_formatted
        if self.task.step is Step.PREPARE_TARGET:
            assert agent_command(self.task).message.is_formatted == self.was_formatted

    def teardown(self):
        """When faults stop, every task ends or rests within a bounded number of steps."""
        for _ in range(60):
            if self.task.step is None:
                return
            at = cause(self.minutes)
            self.task = succeed(self.task, at, **learned(self.task, at.at))
        raise AssertionError(f"{self.task.leg} {self.task.step} does not come to rest")


TestTaskMachine = TaskMachine.TestCase
TestTaskMachine.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
