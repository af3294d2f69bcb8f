"""All rules, in the order in which they are shown."""

from __future__ import annotations

from typing import Final

from services.feasibility.domain.rule import Rule
from services.feasibility.domain.rules import (
    applications,
    boot,
    disks,
    file_systems,
    kernel,
    network,
    operating_system,
    space,
    storage,
)

ALL_RULES: Final[tuple[Rule, ...]] = (
    *operating_system.RULES,
    *kernel.RULES,
    *boot.RULES,
    *disks.RULES,
    *storage.RULES,
    *file_systems.RULES,
    *space.RULES,
    *network.RULES,
    *applications.RULES,
)
