"""A rehearsal on a host: nothing of it stays, the copy is never written to, and a kill is a verdict."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.host.census import release, take_census
from agents.host.folders import TargetFolder
from agents.host.points import take_point
from agents.host.records import read_record
from agents.host.rehearsal.begin import begin_rehearsal, end_rehearsal, show_rehearsal
from agents.host.rehearsal.records import RECORD, RehearsalRecord
from agents.host.replica import create_disks
from agents.host.settings import HostSettings
from contracts.adaptation import AdaptationReport, TargetFacts
from contracts.errors import MigrationError
from contracts.errors.adaptation import KERNEL_MODULES
from contracts.inventory import OperatingSystem, SourceInventory
from contracts.layout import TargetLayout
from contracts.messages.host import RehearseHostPoint
from contracts.messages.target_provisioner import DiskRequest
from contracts.rehearsal import AdaptedLayer, RehearsalReport

pytestmark = [pytest.mark.root, pytest.mark.boot]
MIB = 1 << 20
REQUEST = RehearseHostPoint(
    target_id="t1",
    rehearsal_id="r1",
    point_id="p1",
    layout=TargetLayout(firmware="BIOS", disks=(), volumes=()),
    inventory=SourceInventory(
        hostname="web-1", architecture="x86_64", firmware="BIOS", operating_system=OperatingSystem(id="debian")
    ),
    target_facts=TargetFacts(),
    cpu_count=1,
    memory_bytes=64 * MIB,
    timeout_s=60,
)


def settings(folder: Path, answer: str) -> HostSettings:
    """answer: what stands in for the adaptation says after it has read its order."""
    stub = folder / "adapt.py"
    stub.write_text(f"import sys\nsys.stdin.read()\nprint({answer!r})\n")
    return HostSettings(
        data_folder=folder / "data",
        bus_url="nats://127.0.0.1:1",
        adapt_command=(sys.executable, str(stub)),
        boot_probe_kernel=Path("/nonexistent"),
    )


@pytest.fixture
def target(tmp_path: Path) -> Iterator[TargetFolder]:
    folder = TargetFolder.of(tmp_path / "data", "t1")
    create_disks(folder, (DiskRequest(name="vda", size_bytes=4 * MIB),))
    take_point(folder, "p1")
    yield folder
    release(folder, only_temporary=False)


def verdict_of(folder: TargetFolder) -> RehearsalReport:
    deadline = time.monotonic() + 60
    while (report := show_rehearsal(folder, "r1").report) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return report


def digests(folder: TargetFolder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.replica.iterdir())}


ADAPTED = AdaptedLayer(report=AdaptationReport(verdict="passed")).model_dump_json()


def test_an_empty_disk_is_red_by_its_boot_loader_and_the_copy_stays_as_it_was(
    target: TargetFolder, tmp_path: Path
) -> None:
    before = digests(target)
    begin_rehearsal(target, REQUEST, settings(tmp_path, ADAPTED))
    begun = begin_rehearsal(target, REQUEST, settings(tmp_path, ADAPTED))
    assert begun.report is None
    report = verdict_of(target)
    assert [failure.code for failure in report.failures] == ["SMS.LAUNCH.BOOT_LOADER"]
    assert (report.verdict, report.point_id, report.login_seconds) == ("red", "p1", 0)
    end_rehearsal(target, "r1")
    end_rehearsal(target, "r1")
    assert digests(target) == before
    assert [
        name for name in take_census(tmp_path / "data").temporary if "/point/" not in name and "qcow2" not in name
    ] == []
    assert Path(report.console_path).exists()


def test_an_adaptation_that_forbids_the_launch_is_the_verdict(target: TargetFolder, tmp_path: Path) -> None:
    failure = KERNEL_MODULES.failure(**dict.fromkeys(KERNEL_MODULES.parameter_names(), "x"))
    refused = AdaptedLayer(report=AdaptationReport(verdict="failed", failure=failure)).model_dump_json()
    begin_rehearsal(target, REQUEST, settings(tmp_path, refused))
    assert verdict_of(target).failures == (failure,)
    end_rehearsal(target, "r1")


def test_an_adaptation_that_breaks_off_is_told(target: TargetFolder, tmp_path: Path) -> None:
    begin_rehearsal(target, REQUEST, settings(tmp_path, "no report"))
    assert [failure.code for failure in verdict_of(target).failures] == ["SMS.REHEARSAL.INTERRUPTED"]
    end_rehearsal(target, "r1")


def test_a_killed_rehearsal_is_red_and_leaves_nothing(target: TargetFolder, tmp_path: Path) -> None:
    begin_rehearsal(target, REQUEST, settings(tmp_path, ADAPTED))
    record = read_record(target.rehearsal("r1") / RECORD, RehearsalRecord)
    assert record is not None
    assert record.process is not None
    os.kill(record.process.pid, signal.SIGKILL)
    assert [failure.code for failure in verdict_of(target).failures] == ["SMS.REHEARSAL.INTERRUPTED"]
    end_rehearsal(target, "r1")
    assert not any("/rehearsal/" in name or "/layer/" in name for name in take_census(tmp_path / "data").temporary)


def test_a_point_that_there_is_not_is_refused(target: TargetFolder, tmp_path: Path) -> None:
    with pytest.raises(MigrationError) as refused:
        begin_rehearsal(target, REQUEST.model_copy(update={"point_id": "p9"}), settings(tmp_path, ADAPTED))
    assert refused.value.code == "SMS.TARGET.UNKNOWN"
    with pytest.raises(MigrationError):
        show_rehearsal(target, "r2")
