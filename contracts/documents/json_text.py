"""JSON as it is checked in: stable, one line per member, so that a change is a readable difference."""

from __future__ import annotations

import json
from typing import Any


def json_text(value: Any) -> str:
    """The text of a JSON file, with a newline at its end."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
