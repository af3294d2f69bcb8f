"""`sms task limit|config|consistency|rename|priority|skip` against the real API."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.profile_file import Choice, choose, save_profile
from contracts.messages.reply import Accepted
from contracts.messages.task_settings import RecordConsistency
from contracts.task_settings import ConsistencyResult
from tests.api.bench import ApiBench
from tests.api.sdk import tasks_life
from tests.api.test_command_line import CommandLine, profile_of


@pytest.fixture
def sms(
    api: ApiBench, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "handed-over" / "profile.json"
    save_profile(path, profile_of(api))
    (path.parent / "ca.pem").write_bytes(api.files.ca_file.read_bytes())
    yield CommandLine(path, capsys)
    choose(Choice())


@pytest.fixture(scope="module")
def task(api: ApiBench) -> str:
    return tasks_life.create(api.sdk_client(), api.register_server("commands-1"), "commands")


def test_limits_are_set_shown_and_cleared(sms: CommandLine, task: str) -> None:
    found = sms.json("task", "limit", task, "18:00-08:00=0", "08:00-18:00=100/10", "--otherwise", "5")
    assert [(p["start"], p["rate_mbit_s"], p["over_speed_percent"]) for p in found["periods"]] == [
        ("08:00", 100, 10.0),
        ("18:00", 0, None),
    ]
    assert found["otherwise"]["rate_bit_s"] == 5_000_000
    status, shown, _ = sms.run("task", "limit", task)
    assert status == 0
    assert "10 %" in shown
    assert "no limit" in shown
    assert sms.json("task", "limit", task, "--clear")["periods"] == []


@pytest.mark.parametrize("text", ["8-18=100", "08:00-18:00", "08:00-18:00=100/x"])
def test_a_period_that_cannot_be_read_is_a_usage_error(sms: CommandLine, task: str, text: str) -> None:
    status, _, said = sms.run("task", "limit", task, text)
    assert status == 2
    assert "HH:MM-HH:MM=MBIT" in said


def test_overlapping_periods_end_with_the_services_own_refusal(sms: CommandLine, task: str) -> None:
    status, _, said = sms.run("task", "limit", task, "08:00-10:00=1", "09:00-11:00=2")
    assert status == 2
    assert "SMS.TASK.SPEED_OVERLAP" in said


def test_settings_are_set_shown_and_removed(sms: CommandLine, task: str) -> None:
    found = sms.json("task", "config", task, "MIGRATE_EXCLUDE_DIR=/var/cache,/srv/tmp", "LINUX_CPU_LIMIT=50")
    assert [(one["key"], one["status"]) for one in found["settings"]] == [
        ("LINUX_CPU_LIMIT", "ACTIVE"),
        ("MIGRATE_EXCLUDE_DIR", "ACTIVE"),
    ]
    assert [one["key"] for one in sms.json("task", "config", task, "LINUX_CPU_LIMIT=")["settings"]] == [
        "MIGRATE_EXCLUDE_DIR"
    ]
    status, _, said = sms.run("task", "config", task, "NO_SUCH=1")
    assert status == 2
    assert "SMS.TASK.SETTING_UNKNOWN" in said


def test_a_task_is_renamed_and_ranked(api: ApiBench, sms: CommandLine, task: str) -> None:
    assert sms.json("task", "rename", task, "other-name") == {"id": task}
    assert sms.json("task", "priority", task, "high") == {"id": task}
    found = tasks_life.show(api.sdk_client(), task)
    assert (found.name, found.priority) == ("other-name", 2)


def test_the_result_of_a_verification_is_shown(api: ApiBench, sms: CommandLine, task: str) -> None:
    assert "has not been verified" in sms.run("task", "consistency", task)[1]
    results = (ConsistencyResult(directory="/etc", files=12, different=1),)
    message = RecordConsistency(idempotency_key=uuid.uuid4().hex, task_id=task, results=results)
    api.run(api.ask("task", "record-consistency", message, Accepted))
    assert "/etc" in sms.run("task", "consistency", task)[1]
    found = sms.json("task", "consistency", task)
    assert found["directories"][0] == results[0].model_dump()
    assert found["at"]


def test_nothing_but_a_running_verification_can_be_skipped(sms: CommandLine, task: str) -> None:
    status, _, said = sms.run("task", "skip", task)
    assert status == 4
    assert "SMS.TASK.NOTHING_TO_SKIP" in said
