"""Shells complete commands, options and values; bash is asked here, as far as it goes without a terminal."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cli.command_tree import command_tree
from cli.completion_scripts import bash_script, fish_script, zsh_script
from cli.main import app, run

TREE = command_tree(app)
# As bash calls a completion function: the words of the line, and the one at which the cursor is.
ASK = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sms; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "sms.bash"
    path.write_text(bash_script(TREE))
    return path


def completed(script: Path, line: str) -> set[str]:
    command = ["bash", "--norc", "-c", f"source {script}; {ASK}", "bash", *line.split(" ")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert ended.stderr == ""
    return set(ended.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sms ta", {"task"}),
        ("sms task st", {"start", "stop"}),
        ("sms task list --output ", {"table", "json"}),
        ("sms task create --target", {"--target-provider"}),
        ("sms completion ", {"bash", "zsh", "fish", "--help"}),
        # The value of an option may be called like a command.
        ("sms --profile task server sh", {"show"}),
        ("sms task create --server list --o", {"--option", "--output"}),
        # Files are bash's own to complete.
        ("sms profile add x --ca /et", set()),
    ],
)
def test_bash_completes(script: Path, line: str, expected: set[str]) -> None:
    assert completed(script, line) == expected


def test_every_command_and_option_is_offered(script: Path) -> None:
    for command in TREE.walk():
        line = " ".join(("sms", *command.words, ""))
        wanted = {inner.words[-1] for inner in command.commands} | {option.name for option in command.options}
        if "'" + "".join(f" {word}" for word in command.words) + "')" not in script.read_text():
            pytest.fail(f"{line} is not in the script")
        if len(command.words) < 2:
            assert completed(script, line) >= wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_program_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    written = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[shell](TREE)
    assert capsys.readouterr().out == written


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_finds_no_fault(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed here")
    path = tmp_path / "script"
    path.write_text({"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[shell](TREE))
    ended = subprocess.run([program, "-n", path], capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_another_shell_is_a_usage_error() -> None:
    assert run(["completion", "cmd.exe"]) == 2
