"""One module per party: the messages that it owns. `load_messages` imports them all."""

from __future__ import annotations

import importlib
import pkgutil

from contracts.base import Message, all_messages


def load_messages() -> dict[tuple[str, int], type[Message]]:
    """Every message of the contract, by (type, version)."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return all_messages()
