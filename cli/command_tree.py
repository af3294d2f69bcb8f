"""What the program understands, as data: for shell completion and for the page docs/command-line.md."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
import typer.main


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option. takes_value: it is no switch; choices: its values, when they are few; takes_file: it is a path.

    default: as text, "" for none. variable: the environment variable that stands for it.
    """

    name: str
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()
    takes_file: bool = False
    default: str = ""
    variable: str = ""
    is_required: bool = False
    may_repeat: bool = False


@dataclass(frozen=True, kw_only=True)
class Command:
    """words: how it is called, without the program's own name; () for the program. choices: of its first argument."""

    words: tuple[str, ...]
    help: str
    arguments: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    commands: tuple[Command, ...] = ()

    def walk(self) -> Iterator[Command]:
        """This command, then everything below it, in the program's order."""
        yield self
        for command in self.commands:
            yield from command.walk()

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return self.help.partition("\n")[0]


def command_tree(app: typer.Typer) -> Command:
    """Everything that a program understands; hidden commands and options are left out."""
    return _command(typer.main.get_command(app), ())


def _command(found: Any, words: tuple[str, ...]) -> Command:
    commands = getattr(found, "commands", {}).items()
    arguments = [one for one in found.params if one.param_type_name == "argument"]
    return Command(
        words=words,
        help=(found.help or "").strip(),
        arguments=tuple(_argument_text(one) for one in arguments),
        choices=_choices(arguments[0]) if arguments else (),
        options=tuple(_option(one) for one in found.params if one.param_type_name == "option" and not one.hidden),
        commands=tuple(_command(inner, (*words, name)) for name, inner in commands if not inner.hidden),
    )


def _argument_text(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> Option:
    variable = option.envvar if isinstance(option.envvar, str) else ""
    return Option(
        name=option.opts[0],
        help=" ".join((option.help or "").split()),
        takes_value=not option.is_flag,
        choices=_choices(option),
        takes_file=option.type_descriptor.is_path,
        default=_default_text(option.default),
        variable=variable,
        is_required=option.required,
        may_repeat=option.multiple,
    )


def _choices(parameter: Any) -> tuple[str, ...]:
    return tuple(_plain(choice) for choice in parameter.type_descriptor.choices or ())


def _default_text(value: object) -> str:
    if value is None or value is False or value == "":
        return ""
    return _plain(value)


def _plain(value: object) -> str:
    return str(value.value if isinstance(value, enum.Enum) else value)
