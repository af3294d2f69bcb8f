"""Reads the installation's price list."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from contracts.messages.metering import PriceList

_PACKAGE = "services.metering"


def load_prices(path: Path | None) -> PriceList:
    """The list in a file, or the one that is packed with the program. Raises OSError; ValueError (pydantic's, with
    the field's name) for a file that is no list of prices."""
    packed = files(_PACKAGE) / "tables" / "prices.json"
    text = path.read_text(encoding="utf-8") if path is not None else packed.read_text(encoding="utf-8")
    return PriceList.model_validate_json(text)
