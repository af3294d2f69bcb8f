"""Files of shell assignments, such as /etc/os-release and /etc/default/grub."""

from __future__ import annotations

import re
import shlex
from typing import Final

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def assignments(text: str) -> dict[str, str]:
    """Each variable's last value. Nothing is expanded; a line that no shell would take is passed over."""
    values = {}
    for line in text.splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            continue
        try:
            words = shlex.split(match.group(2), comments=True)
        except ValueError:
            continue
        values[match.group(1)] = words[0] if words else ""
    return values
