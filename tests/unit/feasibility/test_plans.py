"""What the check of a server says of its disks is what the plan of its target says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from services.feasibility.domain.assess import assess
from services.feasibility.domain.rule import Basis
from services.task.domain.layout import plan_layout

FOLDER = Path(__file__).parent / "inventories"
REFUSED_BY_BOTH = {"LVM_UNSUPPORTED", "RAID_UNSUPPORTED", "BTRFS_ON_LVM", "LVM_THIN", "MAPPER_UNSUPPORTED"}
# Encrypted folders lie on plain disks: of these the plan knows nothing.
REFUSED = {*REFUSED_BY_BOTH, "ENCRYPTED", "BTRFS_SEVERAL_DISKS"}


def recorded() -> dict[str, SourceInventory]:
    found = {path.stem: SourceInventory.model_validate_json(path.read_text()) for path in FOLDER.glob("*.json")}
    return {name: one for name, one in found.items() if one.operating_system.family == "linux" and one.disks}


@pytest.mark.parametrize("inventory", [pytest.param(one, id=name) for name, one in sorted(recorded().items())])
def test_storage_that_passes_the_check_can_be_planned_and_other_cannot(inventory: SourceInventory) -> None:
    checks = assess(inventory, Basis()).checks
    errors = {each.code.removeprefix("SMS.FEASIBILITY.") for each in checks if each.result == "ERROR"}
    problem = code_of_plan(inventory)
    if problem == "SMS.LAYOUT.STORAGE_UNSUPPORTED":
        assert errors & REFUSED
    if not problem:
        assert not errors & REFUSED_BY_BOTH


def code_of_plan(inventory: SourceInventory) -> str:
    try:
        plan_layout(inventory)
    except MigrationError as error:
        return error.code
    return ""
