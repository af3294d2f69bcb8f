"""What became of each thing that one request named."""

from __future__ import annotations

from contracts.base import Model
from contracts.errors import Failure


class ItemOutcome(Model):
    """One of many. failure: why nothing was done with it; None when it was done."""

    id: str
    failure: Failure | None = None
