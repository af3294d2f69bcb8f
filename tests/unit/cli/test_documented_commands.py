"""Every command line in README.md is one that the program understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from agents.main import main as agent_main
from cli.main import app

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.partition("  #")[0].strip() for block in BLOCKS for line in block.splitlines()]
SMS = [line for line in LINES if re.match(r"(\.venv/bin/)?sms ", line)]
MAKE = [line for line in LINES if line.startswith("make ")]


def test_the_readme_shows_commands() -> None:
    assert len(SMS) >= 8
    assert len(MAKE) >= 3


@pytest.mark.parametrize("line", SMS)
def test_a_documented_command_is_understood(line: str) -> None:
    command, arguments = typer.main.get_command(app), shlex.split(line)[1:]
    if arguments[0] in {"--profile", "--endpoint"}:
        arguments = arguments[2:]
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    command.make_context("sms", arguments)


@pytest.mark.parametrize("line", MAKE)
def test_a_documented_target_is_in_the_makefile(line: str) -> None:
    makefile = (Path(__file__).resolve().parents[3] / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{line.split()[1]}:.*## ", makefile, re.MULTILINE)


def test_the_documented_options_of_the_agent_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        agent_main(["install", "--help"])
    shown = capsys.readouterr().out
    line = next(line for line in LINES if line.startswith("./sms-agent install"))
    for option in re.findall(r"--[a-z-]+", line):
        assert option in shown
