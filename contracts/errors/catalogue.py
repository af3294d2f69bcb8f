"""The whole catalogue: importing this module loads the codes of every area (one module per area)."""

from __future__ import annotations

import importlib
import pkgutil

import contracts.errors
from contracts.errors.code import ErrorCode, all_codes


def load_catalogue() -> dict[str, ErrorCode]:
    """All codes by their name, sorted."""
    for module in pkgutil.iter_modules(contracts.errors.__path__):
        importlib.import_module(f"contracts.errors.{module.name}")
    return all_codes()
