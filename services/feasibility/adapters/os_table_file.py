"""Reads the compatibility table that is packed with the program."""

from __future__ import annotations

import csv
from importlib.resources import files

from services.feasibility.domain.os_table import OsRow, OsTable

_PACKAGE = "services.feasibility"


def load_os_table(name: str = "linux_file_level_os.csv") -> OsTable:
    """The table of a migration type. Raises OSError or ValueError when the file is missing or damaged."""
    text = (files(_PACKAGE) / "tables" / name).read_text(encoding="utf-8-sig")
    try:
        rows = tuple(
            OsRow(
                name=row["os"].strip(),
                bits=int(row["bits"]),
                uefi_supported=row["uefi_supported"].strip(),
                remarks=(row["remarks"] or "").strip(),
            )
            for row in csv.DictReader(text.splitlines())
        )
    except KeyError as missing:
        raise ValueError(f"{name} has no column {missing}") from missing
    return OsTable(rows)
