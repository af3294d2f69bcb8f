"""What GRUB before version 2 cannot read is found before the launch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.checks.boot_code import grub_reads_boot
from agents.target.adaptation.references import References
from contracts.inventory import FileSystem
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.redhat import EL6


@pytest.mark.parametrize(("feature", "is_old", "is_read"), [("64bit", True, False), ("64bit", False, True)])
def test_block_numbers_of_64_bits_are_refused_for_old_grub_only(
    feature: str, is_old: bool, is_read: bool, tmp_path: Path
) -> None:
    given = FixtureRun(EL6, tmp_path).inputs()
    references = References(given.layout)
    boot = references.boot
    assert boot is not None
    changed = replace(boot, file_system=FileSystem(kind="ext4", features=("extent", feature)))
    references._by_mount_point["/boot"] = changed
    check = grub_reads_boot(replace(given, references=references), is_old=is_old)
    assert (check.failure is None) is is_read
