"""What a user sees of the command line when there is nothing to talk to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import run
from cli.output import cell, duration, size
from tests.unit.cli.api_server import write_certificates


def sms(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMS_")} | settings
    command = [sys.executable, "-c", "from cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=60)


def test_a_command_without_an_installation_says_how_to_start_one(tmp_path: Path) -> None:
    ended = sms("server", "list", cwd=tmp_path)
    assert ended.returncode == 3
    assert "SMS.CLI.NOT_INSTALLED" in ended.stderr
    assert "sms up --data" in ended.stderr
    assert ended.stdout == ""


def test_an_installation_that_is_down_is_named_with_the_next_step(tmp_path: Path) -> None:
    write_certificates(tmp_path, ["127.0.0.1"])
    (tmp_path / "installation.json").write_text(
        json.dumps(
            {
                "bus_url": "tls://127.0.0.1:9",
                "local_bus_url": "tls://127.0.0.1:9",
                "bus_listen": "127.0.0.1:9",
                "ca_file": str(tmp_path / "ca.pem"),
            }
        )
    )
    profile = {"endpoint": "https://127.0.0.1:9", "access_key": "AK1", "secret_key": "x", "ca_file": "ca.pem"}
    (tmp_path / "profile.json").touch(0o600)
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    ended = sms("server", "list", "--data", str(tmp_path), cwd=tmp_path, SMS_API_PATIENCE_S="0")
    assert ended.returncode == 6
    assert "SMS.CLI.API_UNREACHABLE" in ended.stderr
    assert "https://127.0.0.1:9" in ended.stderr


def test_an_unknown_option_is_a_usage_error_without_a_traceback(tmp_path: Path) -> None:
    ended = sms("server", "list", "--nonsense", cwd=tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_an_unexpected_failure_names_its_log_file_and_shows_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "installation.json").mkdir()  # a folder where a file must be: nothing expects that
    assert run(["status", "--data", str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert "SMS.CLI.INTERNAL" in shown
    assert "Traceback" not in shown
    assert "IsADirectoryError" in (tmp_path / "logs" / "command-line.log").read_text()


def test_what_an_agent_supplied_cannot_write_on_the_terminal() -> None:
    assert cell("name\x1b[2J\nx").plain == "name�[2J�x"


def test_figures_are_readable() -> None:
    assert [size(0), size(1023), size(1536), size(5 << 30)] == ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
    assert [duration(None), duration(5), duration(3723)] == ["-:--", "0:05", "1:02:03"]
