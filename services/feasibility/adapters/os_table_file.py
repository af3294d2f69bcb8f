"""Reads the compatibility tables that are packed with the program."""

from __future__ import annotations

import csv
from importlib.resources import files

from services.feasibility.domain.os_table import OsRow, OsTable

_PACKAGE = "services.feasibility"
_OS_COLUMNS = {"os", "bits", "uefi_supported", "remarks"}
_COLUMNS = {
    "linux_file_level_os": _OS_COLUMNS,
    "windows_os": _OS_COLUMNS,
    "linux_block_level_kernels": {"os", "kernel_release"},
}


def load_os_table() -> OsTable:
    """The tables of Linux and Windows releases, and of kernels for the block level. Raises OSError or ValueError when
    a file is missing or damaged."""
    rows = tuple(_os_row(row) for name in ("linux_file_level_os", "windows_os") for row in _read(name))
    kernels = tuple((row["os"].strip(), row["kernel_release"].strip()) for row in _read("linux_block_level_kernels"))
    return OsTable(rows, kernels)


def _os_row(row: dict[str, str]) -> OsRow:
    return OsRow(
        name=row["os"].strip(),
        bits=int(row["bits"]),
        uefi_supported=row["uefi_supported"].strip(),
        remarks=(row["remarks"] or "").strip(),
    )


def _read(name: str) -> list[dict[str, str]]:
    text = (files(_PACKAGE) / "tables" / f"{name}.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    columns = _COLUMNS[name]
    if not rows or columns - rows[0].keys():
        raise ValueError(f"{name}.csv has no rows, or lacks one of the columns {sorted(columns)}")
    return rows
