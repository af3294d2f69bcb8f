"""`sms completion`: what a shell needs to complete commands, options and their values."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.command_tree import command_tree
from cli.completion_scripts import bash_script, fish_script, zsh_script


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_SCRIPTS = {Shell.BASH: bash_script, Shell.ZSH: zsh_script, Shell.FISH: fish_script}


def register(app: typer.Typer) -> None:
    """Add the command to the program, which it describes."""

    @app.command("completion")
    def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")]) -> None:
        """Print a script that completes commands, options and values.

        bash: source <(sms completion bash) in ~/.bashrc · zsh: the same in ~/.zshrc, after compinit · fish:
        sms completion fish > ~/.config/fish/completions/sms.fish
        """
        typer.echo(_SCRIPTS[shell](command_tree(app)), nl=False)
