"""What GRUB before version 2 cannot read is found before the launch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.checks.boot_code import grub_reads_boot
from agents.target.adaptation.references import References
from agents.target.disks.format import ext_command
from contracts.inventory import FileSystem
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.redhat import EL6


@pytest.mark.parametrize(("feature", "is_old", "is_read"), [("64bit", True, False), ("64bit", False, True)])
def test_block_numbers_of_64_bits_are_refused_for_old_grub_only(
    feature: str, is_old: bool, is_read: bool, tmp_path: Path
) -> None:
    file_system = FileSystem(kind="ext4", features=("extent", feature))
    assert is_readable(file_system, tmp_path, is_old=is_old) is is_read


def is_readable(file_system: FileSystem, folder: Path, *, is_old: bool) -> bool:
    given = FixtureRun(EL6, folder).inputs()
    references = References(given.layout)
    boot = references.boot
    assert boot is not None
    references._by_mount_point["/boot"] = replace(boot, file_system=file_system)
    return grub_reads_boot(replace(given, references=references), is_old=is_old).failure is None


def made_features(size_bytes: int) -> tuple[str, ...]:
    command = ext_command(Path("/dev/null"), FileSystem(kind="ext4"), "vda1", size_bytes)
    nothing, *features = command[command.index("-O") + 1].split(",")
    assert nothing == "none"
    return tuple(features)


def test_an_ext4_that_nobody_described_is_made_so_that_old_grub_reads_it(tmp_path: Path) -> None:
    features = made_features(1 << 30)
    assert "extent" in features
    assert is_readable(FileSystem(kind="ext4", features=features), tmp_path, is_old=True)


def test_block_numbers_of_64_bits_are_for_file_systems_that_need_them() -> None:
    assert ["64bit" in made_features(tib << 40) for tib in (15, 16)] == [False, True]
