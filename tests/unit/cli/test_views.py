"""What tasks, plans and reports look like for a person, and that agents' texts are shown as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.main import run
from cli.task_view import print_plan, print_task, task_json
from contracts.adaptation import AdaptationChange, AdaptationCheck, AdaptationDifference, AdaptationReport
from contracts.errors.adaptation import NET_ORDER
from contracts.errors.cli import NO_CONSENT
from contracts.inventory import OperatingSystem, SourceInventory
from contracts.layout import CopyVolume, TargetDisk, TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.messages.registry import ServerDetails, ServerView
from contracts.messages.target_provisioner import PortForward
from contracts.messages.task import CreateTask, Phase, TargetView, TaskOptions, TaskView
from contracts.transfer import VerificationReport

STABLE_KEYS = {"id", "state", "phase", "error", "progress", "sub_tasks", "target"}
STABLE_TARGET_KEYS = {"disks", "replica_disks", "console"}

LAYOUT = TargetLayout(
    firmware="BIOS",
    disks=(TargetDisk(name="vda", size_bytes=10 << 30, table="mbr", is_system=True, source_disk="sda"),),
    volumes=(
        CopyVolume(
            index=0,
            mount_point="/",
            source_path="/",
            target_disk="vda",
            target_partition=1,
            kind="ext4",
            estimated_bytes=3 << 30,
        ),
    ),
    notes=("sda has no label",),
)
TASK = TaskView(
    id="t1",
    server_id="s1",
    server_name="shop\x1b]0;owned\x07",
    state="MIGRATE_FAIL",
    phase=Phase.FAILED,
    error=NO_CONSENT.failure(),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    layout=LAYOUT,
    target=TargetView(
        id="t1",
        disks=(AttachedDisk(name="vda", path="/data/vda.raw"),),
        console="/data/console.log",
        ports=(PortForward(target_port=80, host_port=8080),),
    ),
    verification=VerificationReport(files=10, different=1),
    step_seconds={"COPY": 12.34},
)


def test_a_task_shows_what_went_wrong_and_where_the_target_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_task(TASK)
    shown = capsys.readouterr().out
    for expected in (
        "SMS.CLI.NO_CONSENT",
        "--yes",
        "/data/vda.raw",
        "127.0.0.1:8080 to 80",
        "12.3",
        "/data/console.log",
    ):
        assert expected in shown
    assert "\x1b]0;" not in shown


def test_the_json_of_a_task_has_the_stable_keys() -> None:
    shown = json.loads(json.dumps(task_json(TASK)))
    assert shown.keys() >= STABLE_KEYS
    assert shown["target"].keys() >= STABLE_TARGET_KEYS
    assert shown["target"]["disks"][0].keys() >= {"name", "path", "format"}


def test_the_plan_names_every_disk_that_is_wiped_before_anything_happens(capsys: pytest.CaptureFixture[str]) -> None:
    source = ServerDetails(
        server=ServerView(id="s1", name="shop", checks="OK"),
        inventory=SourceInventory(
            hostname="shop",
            architecture="x86_64",
            firmware="BIOS",
            operating_system=OperatingSystem(id="debian", name="Debian GNU/Linux", version="12.11"),
        ),
    )
    request = CreateTask(idempotency_key="k", server_id="s1", options=TaskOptions(excludes=("/var/cache",)))
    print_plan(source, LAYOUT, request, to_stderr=False)
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines() if not line.startswith(" ")] == ["1", "2", "3"]
    assert "wiped" in shown
    assert "vda  10.0 GiB, mbr, 0 partitions, from sda, system disk" in shown
    assert "about 3.0 GiB to copy" in shown
    assert "note: sda has no label" in shown
    assert "/var/cache" in shown


def test_the_contracts_can_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["contracts", "export", "--to", str(tmp_path), "--output", "json"]) == 0
    written = json.loads(capsys.readouterr().out)["files"]
    assert str(tmp_path / "contracts" / "asyncapi.json") in written
    assert json.loads((tmp_path / "contracts" / "asyncapi.json").read_text())["asyncapi"] == "3.0.0"


CHANGE = AdaptationChange(step="S05", path="/etc/fstab", operation="edit", reason="device references")
REPORT = AdaptationReport(
    verdict="passed",
    facts={"system": "Rocky Linux 8.10"},
    needs={"virtio": "transitional"},
    changes=(CHANGE,),
    checks=(AdaptationCheck(id="NET_ORDER", severity="W", failure=NET_ORDER.failure(names="eth0, eth1")),),
)


def test_task_shows_what_its_adaptation_will_change_and_how_that_differs_from_the_last_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = REPORT.model_copy(update={"difference": AdaptationDifference(added=(CHANGE,))})
    print_task(TASK.model_copy(update={"adaptation_plan": plan}))
    shown = " ".join(capsys.readouterr().out.split())
    for text in ("Rocky Linux 8.10", "S05 edit /etc/fstab", "device references", "transitional", "SMS.ADAPT.NET_ORDER"):
        assert text in shown
    assert "adaptation planned" in shown
    assert "not planned before /etc/fstab" in shown
    same = REPORT.model_copy(update={"difference": AdaptationDifference()})
    print_task(TASK.model_copy(update={"adaptation_plan": same}))
    assert "nothing differs" in capsys.readouterr().out


def test_task_shows_what_its_adaptation_has_changed_instead_of_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    made = REPORT.model_copy(update={"changes": (CHANGE.model_copy(update={"path": "/etc/crypttab"}),)})
    print_task(TASK.model_copy(update={"adaptation_plan": REPORT, "adaptation": made}))
    shown = " ".join(capsys.readouterr().out.split())
    assert "S05 edit /etc/crypttab" in shown
    assert "/etc/fstab" not in shown
    assert "planned" not in shown
