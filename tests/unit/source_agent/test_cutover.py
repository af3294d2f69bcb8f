"""The source's part of a cutover with real commands; only the rounds are scripted."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.source.cutover import Cutover, final_rounds, is_small_enough
from agents.source.held import HeldSource
from agents.task_folder import TaskFolder
from contracts.cutover import SourceCommand
from contracts.errors import MigrationError
from contracts.errors.transfer import STOPPED
from contracts.layout import CopyVolume
from contracts.messages.agent import ChannelEnd, SyncVolumes
from contracts.messages.cutover import CutOver
from contracts.transfer import CopySummary


class Session:
    """seconds: of each round, the last one for all further rounds. fails_at: number of the round that fails."""

    def __init__(self, log: Path, seconds: tuple[float, ...] = (0.1,), fails_at: int = 0) -> None:
        self.log = log
        self.seconds = seconds
        self.fails_at = fails_at
        self.numbers: list[int] = []

    def sync(self, round_number: int) -> CopySummary:
        self.numbers.append(round_number)
        with self.log.open("a") as file:
            file.write(f"round {round_number}\n")
        if self.fails_at == round_number:
            raise MigrationError(STOPPED, task_id="t1")
        return CopySummary(
            round_number=round_number, seconds=self.seconds[min(len(self.numbers), len(self.seconds)) - 1]
        )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def held(tmp_path: Path) -> HeldSource:
    return HeldSource(TaskFolder(tmp_path / "state", "t1"))


def says(log: Path, text: str, *, fails: bool = False) -> SourceCommand:
    return SourceCommand(
        script=f"echo {text} $SMS_CUTOVER >> {log}; echo {text}-output; exit {int(fails)}", timeout_s=10
    )


def command(root: Path, **wanted: object) -> CutOver:
    volume = CopyVolume(index=0, mount_point="/", source_path="/", target_disk="vda", target_partition=1, kind="ext4")
    return CutOver.model_validate(
        {
            "task_id": "t1",
            "epoch": 1,
            "volumes": (volume,),
            "endpoints": (),
            "channel": ChannelEnd(certificate_pem="", authority_pem=""),
            "generation": "t1:1",
            "round_number": 3,
            **wanted,
        }
    )


def cutover(asked: CutOver, session: Session, held: HeldSource, tmp_path: Path) -> Cutover:
    return Cutover(asked, session, held, roots={"/": tmp_path}, state_folder=tmp_path, must_stop=lambda: False)


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines()


def test_rounds_go_on_until_the_rest_is_small_or_no_longer_shrinks() -> None:
    def rounds(*seconds: float) -> list[CopySummary]:
        return [CopySummary(round_number=0, seconds=each) for each in seconds]

    assert not is_small_enough([])
    assert is_small_enough(rounds(2.9))
    assert not is_small_enough(rounds(60))
    assert not is_small_enough(rounds(60, 20))
    assert is_small_enough(rounds(60, 20, 2))
    assert is_small_enough(rounds(60, 50)), "it writes as fast as it is copied"
    assert is_small_enough(rounds(900, 600, 400, 270, 180)), "there is an end"


def test_a_plain_cutover_is_rounds_only(log: Path, tmp_path: Path) -> None:
    session = Session(log, (60, 20, 2))
    asked = SyncVolumes.model_validate(command(tmp_path).model_dump())
    last, work = final_rounds(session, asked)
    assert session.numbers == [3, 4, 5]
    assert (last.seconds, work.downtime_s, len(work.rounds)) == (2, 2, 2)


def test_commands_run_around_the_last_round_and_what_is_owed_is_kept(
    log: Path, held: HeldSource, tmp_path: Path
) -> None:
    asked = command(tmp_path, before=(says(log, "stop"), says(log, "flush")), after=(says(log, "start"),))
    work = cutover(asked, Session(log, (60, 2)), held, tmp_path)
    work.carry_out()
    assert lines(log) == ["round 3", "round 4", "stop before", "flush before", "round 5"]
    assert [(each.name, each.exit_code, each.output) for each in work.work.before] == [
        ("before 1", 0, "stop-output"),
        ("before 2", 0, "flush-output"),
    ]
    assert work.work.downtime_s >= work.work.before_s > 0
    assert held.state() is not None
    assert [each.name for each in held.release("launched")] == ["after 1"]
    assert lines(log)[-1] == "start launched"
    assert held.release("launched") == (), "once"


def test_a_command_that_fails_ends_the_cutover_and_gives_the_server_back(
    log: Path, held: HeldSource, tmp_path: Path
) -> None:
    asked = command(
        tmp_path,
        before=(says(log, "stop"), says(log, "flush", fails=True), says(log, "never")),
        after=(says(log, "start", fails=True), says(log, "mail")),
    )
    work = cutover(asked, Session(log), held, tmp_path)
    with pytest.raises(MigrationError) as failed:
        work.carry_out()
    assert failed.value.code == "SMS.CUTOVER.COMMAND_FAILED"
    assert failed.value.failure.is_resumable
    assert "flush-output" not in str(failed.value.failure), "a failure goes into events, where no output belongs"
    assert lines(log) == ["round 3", "stop before", "flush before", "start failed", "mail failed"]
    assert [each.exit_code for each in work.work.after] == [1, 0]
    assert held.state() is None


def test_a_command_that_ends_well_only_because_its_time_is_up_has_failed(
    log: Path, held: HeldSource, tmp_path: Path
) -> None:
    patient = SourceCommand(script="trap 'exit 0' TERM; while :; do sleep 0.1; done", timeout_s=1)
    work = cutover(command(tmp_path, before=(patient,)), Session(log, (2,)), held, tmp_path)
    with pytest.raises(MigrationError) as failed:
        work.carry_out()
    assert failed.value.code == "SMS.CUTOVER.COMMAND_FAILED"
    assert "too long" in failed.value.failure.cause
    assert work.work.before[0].exit_code == 0


def test_a_last_round_that_fails_gives_the_server_back(log: Path, held: HeldSource, tmp_path: Path) -> None:
    asked = command(tmp_path, before=(says(log, "stop"),), after=(says(log, "start"),))
    with pytest.raises(MigrationError, match=r"SMS\.TRANSFER\.STOPPED"):
        cutover(asked, Session(log, fails_at=4), held, tmp_path).carry_out()
    assert lines(log) == ["round 3", "stop before", "round 4", "start failed"]


def test_an_agent_that_was_killed_in_the_last_round_goes_on_with_it(
    log: Path, held: HeldSource, tmp_path: Path
) -> None:
    asked = command(tmp_path, before=(says(log, "stop"),), after=(says(log, "start"),))

    class KilledError(BaseException):
        pass

    class Killed(Session):
        def sync(self, round_number: int) -> CopySummary:
            if round_number == 4:
                raise KilledError
            return super().sync(round_number)

    class Unreleased(HeldSource):
        def release(self, outcome: object) -> tuple[()]:  # type: ignore[override]
            return ()  # a kill runs nothing

    with pytest.raises(KilledError):
        cutover(asked, Killed(log), Unreleased(TaskFolder(tmp_path / "state", "t1")), tmp_path).carry_out()
    again = cutover(asked, Session(log), held, tmp_path)
    again.carry_out()
    assert lines(log) == ["round 3", "stop before", "round 3"]
    assert [each.name for each in again.work.before] == ["before 1"]
    assert held.state() is not None


def test_a_source_that_hears_nothing_is_given_back_in_time(tmp_path: Path) -> None:
    now = [1000.0]
    held = HeldSource(TaskFolder(tmp_path / "state", "t1"), now=lambda: now[0])
    assert held.seconds_left() is None
    held.hold((), for_s=60)
    now[0] += 45
    assert HeldSource(TaskFolder(tmp_path / "state", "t1"), now=lambda: now[0]).seconds_left() == 15


@pytest.mark.root
def test_the_file_system_of_the_agents_own_state_is_not_frozen(log: Path, held: HeldSource, tmp_path: Path) -> None:
    work = cutover(command(tmp_path, freezes=True), Session(log), held, tmp_path)
    work.carry_out()
    assert [(each.mount_point, each.is_frozen) for each in work.work.frozen] == [("/", False)]
    assert "own state" in work.work.frozen[0].reason
