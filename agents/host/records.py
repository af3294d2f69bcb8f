"""Small records on disk that survive a kill and a power cut: either the old one or the new one, never half."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from contracts.base import Model

AnyModel = TypeVar("AnyModel", bound=Model)


def write_record(path: Path, record: Model) -> None:
    """Replace a record durably: written beside it, synced, renamed, and the folder synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def read_record(path: Path, kind: type[AnyModel]) -> AnyModel | None:
    """The record, or None when there is none. Raises ValueError for one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return kind.model_validate_json(text)


def sync_file(path: Path) -> None:
    """Make a file's content durable, whoever wrote it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; a power cut may otherwise bring back the old ones."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
