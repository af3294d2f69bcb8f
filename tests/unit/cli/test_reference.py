"""docs/command-line.md is what the program understands, and every command keeps to the common rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.command_tree import Command, command_tree
from cli.main import app
from cli.reference import EXIT_CODES, PAGE, page
from contracts.errors.catalogue import load_catalogue

TREE = command_tree(app)
COMMANDS = [command for command in TREE.walk() if command.words and not command.commands]
# The agent's own program parses the rest of its line; a completion script is for a shell, not for a program.
WITHOUT_JSON = {("agent", "run"), ("agent", "install"), ("agent", "uninstall"), ("completion",)}
PROJECT = Path(__file__).resolve().parents[3]


def name(command: Command) -> str:
    return " ".join(command.words)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(TREE), "run `make generate` and look at the difference"


@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_a_command_says_what_it_does_and_can_answer_in_json(command: Command) -> None:
    assert command.help
    assert all(option.help for option in command.options)
    output = [option.choices for option in command.options if option.name == "--output"]
    assert output == ([] if command.words in WITHOUT_JSON else [("table", "json")])


@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_no_option_takes_a_secret(command: Command) -> None:
    """Other users see the arguments of a process."""
    for option in command.options:
        assert not re.search(r"secret|password|passphrase", option.name) or option.takes_file, option.name


def test_every_exit_status_of_the_catalogue_is_documented() -> None:
    used = {str(code.exit_code) for code in load_catalogue().values()}
    assert used <= {status for status, _ in EXIT_CODES}
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert "docs/command-line.md" in readme
