"""Rules about free space."""

from __future__ import annotations

from typing import Final

from contracts.errors import feasibility as codes
from contracts.inventory import SourceInventory
from services.feasibility.domain.rule import Basis, Finding, Rule, passed, refused
from services.feasibility.domain.volumes import root_mount

# Table 5-1 of the service's overview: 200 MB, taken as binary megabytes.
NEEDED_ON_ROOT_BYTES: Final = 200 * 1024**2


def check_root_space(inventory: SourceInventory, _: Basis) -> Finding:
    """The agent keeps its journals below the root file system."""
    root = root_mount(inventory)
    free_bytes = root.free_bytes if root else 0
    if free_bytes < NEEDED_ON_ROOT_BYTES:
        return refused(
            codes.ROOT_SPACE, {"free_bytes": free_bytes}, free_bytes=free_bytes, needed_bytes=NEEDED_ON_ROOT_BYTES
        )
    return passed(free_bytes=free_bytes, needed_bytes=NEEDED_ON_ROOT_BYTES)


RULES = (Rule(id="root_space", name="Free space on the root file system", decide=check_root_space),)
