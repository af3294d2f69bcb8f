from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from agents.source.user_commands import run_command
from contracts.cutover import SourceCommand


def shell(text: str, timeout_s: float = 20) -> SourceCommand:
    return SourceCommand(script=text, timeout_s=timeout_s)


def test_a_command_gives_its_exit_code_and_the_last_lines_of_both_streams() -> None:
    found = run_command(
        shell("for n in $(seq 100); do echo line $n; done; echo wrong >&2; exit 7"), name="before 1", environment={}
    )
    assert (found.name, found.exit_code, found.is_timeout) == ("before 1", 7, False)
    assert found.output.splitlines()[-2:] == ["line 100", "wrong"]
    assert len(found.output.splitlines()) == 20


def test_a_command_sees_what_it_is_for_and_nothing_of_the_agents_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_SECRET", "canary")
    found = run_command(SourceCommand(argv=("env",)), name="after 1", environment={"SMS_CUTOVER": "failed"})
    assert "SMS_CUTOVER=failed" in found.output
    assert "canary" not in found.output


def test_a_command_that_takes_too_long_is_ended_with_its_children() -> None:
    began = time.monotonic()
    found = run_command(shell("sleep 60 & sleep 60; echo never", timeout_s=0.5), name="before 1", environment={})
    assert time.monotonic() - began < 6
    assert found.is_timeout
    assert found.exit_code == 143


def test_a_command_that_ignores_the_signal_is_killed() -> None:
    found = run_command(
        shell("trap '' TERM; while :; do sleep 0.1; done", timeout_s=0.3), name="before 1", environment={}
    )
    assert found.exit_code == 137


def test_what_a_command_leaves_running_is_not_waited_for() -> None:
    began = time.monotonic()
    found = run_command(shell("sleep 30 & echo started"), name="after 1", environment={})
    assert found.exit_code == 0
    assert found.output == "started"
    assert time.monotonic() - began < 5


def test_a_command_is_stopped_with_the_task() -> None:
    found = run_command(shell("sleep 60"), name="before 1", environment={}, must_stop=lambda: True)
    assert found.is_timeout


def test_endless_output_is_read_and_not_kept() -> None:
    found = run_command(shell("yes", timeout_s=1), name="before 1", environment={})
    assert len(found.output) <= 4096


def test_a_program_that_is_not_there_is_an_outcome() -> None:
    found = run_command(SourceCommand(argv=("/no/such/program",)), name="before 1", environment={})
    assert (found.exit_code, found.output) == (-1, "No such file or directory")


@pytest.mark.parametrize(
    "wrong", [{}, {"argv": ("a",), "script": "b"}, {"script": "a\0b"}, {"script": "a", "timeout_s": 0}]
)
def test_a_command_is_either_words_or_a_text_for_the_shell(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SourceCommand.model_validate(wrong)
