"""The whole catalogue: importing this module loads the codes of every area (one module per area)."""

from __future__ import annotations

import importlib
import pkgutil

import contracts.errors
from contracts.errors.code import ErrorCode


def load_catalogue() -> dict[str, ErrorCode]:
    """All codes by their name, sorted: those that the area modules define, and no code of a test."""
    found: dict[str, ErrorCode] = {}
    for module in pkgutil.iter_modules(contracts.errors.__path__):
        area = importlib.import_module(f"contracts.errors.{module.name}")
        found |= {value.code: value for value in vars(area).values() if isinstance(value, ErrorCode)}
    return dict(sorted(found.items()))
