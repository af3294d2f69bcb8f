"""What travels when the network between two agents is measured: over the task's own channel, before its copy.

A connection for a probe says so in its first frame, where a copy would say hello. ``echo``: every frame comes back as
it is. ``bulk``: everything is counted and dropped, until an empty frame asks for the count.
"""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field

from contracts.base import Model

ECHO_BYTES = 64
BULK_BYTES = 128 << 10
# What either end lets a probe take, whatever the other one wants.
MOST_ECHOES = 100
MOST_BULK_BYTES = 8 << 30
LONGEST_S = 15.0


class ProbeBegin(Model):
    """The first frame."""

    kind: Literal["echo", "bulk"]


class ProbeCount(Model):
    """What arrived of a bulk: bytes after the first frame, and the seconds from the first frame to the last."""

    size_bytes: int = Field(ge=0, le=MOST_BULK_BYTES * 2)
    seconds: float = Field(ge=0, le=3600, allow_inf_nan=False)


def incompressible(size_bytes: int) -> bytes:
    """Nothing on the way makes it smaller."""
    return os.urandom(size_bytes)
