"""How results reach the user: a table for people, JSON with stable keys for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


class OutputFormat(StrEnum):
    """The values of --output."""

    TABLE = "table"
    JSON = "json"


# A file or a pipe has no width: its lines are not folded before they are long.
_WIDTH_WITHOUT_TERMINAL = 240

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; what agents supplied (names, addresses) is shown as text, never as markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    out.print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line; empty values are left out."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        if value not in ("", None, (), []):
            out.print(Text(f"{name:<{width}}  ", style="bold"), cell(value), sep="")


def cell(value: object) -> Text:
    """A value as it is shown: without control characters, which an agent could use to write on the terminal."""
    return Text("".join(character if character.isprintable() else "�" for character in _plain(value)))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return "" if value is None else str(value)


def size(size_bytes: float) -> str:
    """Bytes for a person: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size_bytes) < 1024 or unit == "TiB":
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    raise AssertionError("unreachable")


def duration(seconds: float | None) -> str:
    """Seconds for a person: 1:02:03, or 4:05."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
