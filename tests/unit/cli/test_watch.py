"""`sms task watch`: when it ends, with which status, and what it says without a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cli.failures import exit_code_of
from cli.watch import DONE, Watch, by_disk, goal_of, progress_text
from contracts.errors import Failure, MigrationError
from contracts.errors.cli import NO_ANSWER
from contracts.layout import CopyVolume, TargetLayout
from contracts.messages.task import Phase, TaskDetails, TaskView
from contracts.transfer import TransferProgress, VolumeProgress


def volume(index: int, mount_point: str, disk: str) -> CopyVolume:
    return CopyVolume(
        index=index, mount_point=mount_point, source_path="/", target_disk=disk, target_partition=1, kind="ext4"
    )


LAYOUT = TargetLayout(
    firmware="BIOS",
    disks=(),
    volumes=(volume(0, "/", "vda"), volume(1, "/boot", "vda"), volume(2, "/data", "vdb")),
)
PAUSED_BY_A_FULL_DISK = Failure(code="SMS.CLI.NO_CONSENT", cause="The disk is full.", remedy="Enlarge it.")


def task(phase: Phase, *, step: str = "", version: int = 1, error: Failure | None = None) -> TaskView:
    return TaskView(
        id="t1",
        server_id="s1",
        state="",
        phase=phase,
        step=step,
        version=version,
        error=error,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        layout=LAYOUT,
    )


class TaskService:
    """Answers with one state after the other; the last one stays."""

    def __init__(self, *states: TaskView, away_for: int = 0) -> None:
        self._states = list(states)
        self._away_for = away_for
        self.asked = 0

    async def get(self, path: str, reply: type[Any], *, timeout_s: float) -> Any:
        assert path == "/v3/tasks/t1/details"
        self.asked += 1
        if self.asked <= self._away_for:
            raise MigrationError(NO_ANSWER, service="The API", request=path, seconds=timeout_s)
        return TaskDetails(task=self._states.pop(0) if len(self._states) > 1 else self._states[0])


async def watch(
    service: TaskService, goal: frozenset[Phase] = DONE, *, after: int = -1, patience_s: float = 60
) -> TaskView:
    return await Watch(service, "t1", goal, after=after, poll_s=0, patience_s=patience_s).run()


async def test_it_ends_when_the_target_runs() -> None:
    service = TaskService(task(Phase.COPYING, step="COPY"), task(Phase.LAUNCHING, step="LAUNCH"), task(Phase.LAUNCHED))
    assert (await watch(service)).phase is Phase.LAUNCHED
    assert service.asked == 3


async def test_a_verification_in_the_phase_launched_is_waited_for() -> None:
    service = TaskService(
        task(Phase.LAUNCHED, step="VERIFY"), task(Phase.LAUNCHED, step="VERIFY"), task(Phase.LAUNCHED)
    )
    assert (await watch(service)).step == ""
    assert service.asked == 3


async def test_only_what_came_after_the_users_request_counts() -> None:
    service = TaskService(
        task(Phase.LAUNCHED, version=7), task(Phase.SYNCING, version=8), task(Phase.LAUNCHED, version=9)
    )
    assert (await watch(service, after=7)).version == 9


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.FAILED])
async def test_a_task_that_pauses_or_fails_ends_it_with_the_tasks_own_error(phase: Phase) -> None:
    service = TaskService(task(Phase.COPYING), task(phase, error=PAUSED_BY_A_FULL_DISK))
    with pytest.raises(MigrationError) as ended:
        await watch(service)
    assert ended.value.failure == PAUSED_BY_A_FULL_DISK
    assert exit_code_of(ended.value.failure) == 4


async def test_a_verification_that_failed_ends_it_with_its_error() -> None:
    service = TaskService(task(Phase.LAUNCHED, error=PAUSED_BY_A_FULL_DISK))
    with pytest.raises(MigrationError):
        await watch(service)


async def test_a_phase_that_was_passed_between_two_looks_counts_as_reached() -> None:
    service = TaskService(task(Phase.READY), task(Phase.LAUNCHING, step="ADAPT"))
    assert (await watch(service, goal_of("copying"))).phase is Phase.LAUNCHING


async def test_a_phase_that_can_no_longer_be_reached_ends_it() -> None:
    with pytest.raises(MigrationError) as ended:
        await watch(TaskService(task(Phase.FINISHED)), goal_of("SYNCING"))
    assert ended.value.code == "SMS.CLI.TASK_ENDED_EARLY"


async def test_a_service_that_is_away_for_a_while_does_not_end_it() -> None:
    service = TaskService(task(Phase.LAUNCHED), away_for=5)
    assert (await watch(service)).phase is Phase.LAUNCHED
    assert service.asked == 6


async def test_a_service_that_stays_away_ends_it() -> None:
    with pytest.raises(MigrationError) as ended:
        await watch(TaskService(task(Phase.LAUNCHED), away_for=10**9), patience_s=0.05)
    assert ended.value.code == "SMS.CLI.NO_ANSWER"


async def test_without_a_terminal_every_step_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    service = TaskService(
        task(Phase.COPYING, step="COPY"), task(Phase.COPYING, step="COPY"), task(Phase.LAUNCHING, step="ADAPT"),
        task(Phase.LAUNCHED),
    )  # fmt: skip
    await watch(service)
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["COPYING COPY", "LAUNCHING ADAPT", "LAUNCHED"]


def test_an_unknown_phase_is_a_usage_error() -> None:
    with pytest.raises(MigrationError) as refused:
        goal_of("somewhere")
    assert refused.value.code == "SMS.CLI.USAGE"


def test_progress_is_shown_per_disk_with_rate_and_time_left() -> None:
    fields = {
        "task_id": "t1",
        "stage": "copying",
        "volumes": (
            VolumeProgress(volume=0, mount_point="/", bytes_done=1 << 20, bytes_total=3 << 20),
            VolumeProgress(volume=1, mount_point="/boot", bytes_done=1 << 20, bytes_total=1 << 20),
            VolumeProgress(volume=2, mount_point="/data", bytes_done=0, bytes_total=2 << 20),
        ),
        "smoothed_rate_bytes_s": 1 << 20,
        "seconds_left": 4,
    }
    progress = TransferProgress.model_validate(fields)
    assert by_disk(progress, LAYOUT) == {"vda": (2 << 20, 4 << 20), "vdb": (0, 2 << 20)}
    text = progress_text(progress, LAYOUT)
    assert text == "vda 50 % (2.0 MiB of 4.0 MiB), vdb 0 % (0 B of 2.0 MiB), 1.0 MiB/s, 0:04 left"
