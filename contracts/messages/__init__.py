"""One module per party: the messages that it owns. `load_messages` imports them all."""

from __future__ import annotations

import importlib
import pkgutil

from contracts.base import Message, all_messages


def load_messages() -> dict[tuple[str, int], type[Message]]:
    """Every message of the contract, by (type, version); no message of a test."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {key: message for key, message in all_messages().items() if message.__module__.startswith(__name__)}
