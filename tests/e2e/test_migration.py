"""A whole migration by the command line: copied, booted, synced, cut over, finished, and compared from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command_line import Installation, running_agent, running_installation, wait_for
from tests.e2e.compare_trees import Entry, describe, differences
from tests.e2e.disk_images import bound, check_file_system, identifiers, mounted, partition_table
from tests.e2e.odd_tree import change_odd_tree, make_odd_tree
from tests.e2e.source_disks import MountedSource

pytestmark = [pytest.mark.root, pytest.mark.boot]
OWN = frozenset({b"/lost+found", b"/var/lib/sms-agent"})


@pytest.mark.timeout(600)
def test_a_mounted_system_migrates_boots_syncs_and_finishes(
    source: MountedSource, tmp_path: Path, pytestconfig: pytest.Config, note: Callable[[str], None]
) -> None:
    seed = int(pytestconfig.getoption("--seed"))
    _make_odd(source.root, tmp_path, seed)
    with running_installation(tmp_path) as sms:
        agent = sms.new_agent(source.root, source.root / "var/lib/sms-agent")
        with running_agent(agent):
            server = sms.await_server()
            task_id = sms.ask("task", "create", "--server", server, "--option", "health.timeout=200")["id"]
            checked = sms.ask("task", "check", task_id)
            assert checked["verdict"] in {"good", "usable"}
            assert checked["forecast_s"] > 0
            note(
                f"network: {checked['delay_ms']} ms, {checked['bandwidth_mbit_s']} Mbit/s, {checked['loss_percent']} %"
            )
            sms.ask("task", "start", task_id, "--yes")
            launched = sms.ask("task", "watch", task_id)
            assert launched["phase"] == "LAUNCHED"
            plan, made = launched["adaptation_plan"], launched["adaptation"]
            assert [change["path"] for change in plan["changes"]] == [change["path"] for change in made["changes"]]
            assert (launched["rounds"][0]["read_errors"], launched["rounds"][0]["files_changing"]) == (0, 0)
            assert {one["path"] for one in launched["rounds"][0]["skipped_paths"] if one["reason"] == "socket"} == {
                "/data/odd/socket",
                "/odd/socket",
            }

            for folder in (source.root / "odd", source.root / "data/odd"):
                change_odd_tree(folder, seed)
            (source.root / "etc/motd").write_text("changed between the rounds\n")
            at_cutover = _describe_source(source, tmp_path)
            cut_over = sms.ask("task", "cutover", task_id, "--wait")
            assert cut_over["is_cut_over"]
            assert cut_over["adaptation_plan"]["difference"] is not None
            cutover = cut_over["cutover"]
            assert cutover["downtime_s"] == pytest.approx(sum(one["seconds"] for one in cutover["phases"]), abs=0.1)
            note(f"cutover: {cutover['downtime_s'] - cutover['boot_s']:.1f} s besides the boot")
            _check_verified(sms, task_id, tmp_path / "verification.json")

            finished = sms.ask("task", "finish", task_id, "--wait")
            note(_figures(finished))
            _check_billed(sms, task_id)
            assert sms.ask("audit", "verify")["is_intact"]
        # The target goes on running through the finish; this presses its power button.
        sms.run("down")
        _check_disks(source, at_cutover, finished, tmp_path)
        assert sms.leftovers() == []
        assert not list(sms.data.glob("targets/*/helper/*"))


def _make_odd(root: Path, folder: Path, seed: int) -> None:
    make_odd_tree(root / "odd", seed)
    make_odd_tree(root / "data/odd", seed + 1)
    with bound(root, folder / "view") as view:
        (view / "data/hidden").mkdir()
        (view / "data/hidden/below the mount point").write_bytes(b"seen only when /data is not mounted")


def _describe_source(source: MountedSource, folder: Path) -> tuple[dict[bytes, Entry], dict[bytes, Entry]]:
    with bound(source.root, folder / "view") as view:
        return describe(view, left_out=OWN), describe(source.root / "data", left_out=OWN)


def _check_billed(sms: Installation, task_id: str) -> None:
    def final() -> Any:
        cost = sms.ask("cost", "show", task_id)
        return cost if cost["is_final"] else None

    cost = wait_for(final, "the final cost", timeout_s=30)
    volume = next(item for item in cost["items"] if item["what"] == "volume")
    assert Decimal(volume["quantity"]) > 0
    assert Decimal(cost["amount"]) == sum(Decimal(item["amount"]) for item in cost["items"])


def _check_verified(sms: Installation, task_id: str, report: Path) -> None:
    sms.run("task", "verify", task_id, "--report", str(report))
    assert sms.ask("task", "verify", "--report", str(report))["is_genuine"]
    found = json.loads(report.read_text())["report"]
    assert (found["different"], found["missing"], found["extra"], found["changed_since"]) == (0, 0, 0, 0), found
    assert found["files"] > 10_000
    assert {"/etc", "/usr", "/var", "/data"} <= {each["path"] for each in found["directories"]}


def _check_disks(
    source: MountedSource, at_cutover: tuple[dict[bytes, Entry], dict[bytes, Entry]], task: Any, folder: Path
) -> None:
    replica = [Path(disk["path"]) for disk in task["target"]["replica_disks"]]
    target = [Path(disk["path"]) for disk in task["target"]["disks"]]
    assert {disk["format"] for disk in (*task["target"]["replica_disks"], *task["target"]["disks"])} == {"raw"}
    for images in (replica, target):
        for image, original in zip(images, (source.system_image, source.data_image), strict=True):
            assert partition_table(image) == partition_table(original)
            assert identifiers(image) == identifiers(original)
            check_file_system(image, 1)
    with mounted(replica[0], 1, folder / "system") as system, mounted(replica[1], 1, folder / "data-disk") as data:
        assert differences(at_cutover[0], describe(system, left_out=OWN)) == []
        assert differences(at_cutover[1], describe(data, left_out=OWN)) == []
        assert not (system / "var/lib/sms-agent").exists()
    with mounted(target[0], 1, folder / "system") as system, mounted(target[1], 1, folder / "data-disk") as data:
        # What neither adaptation nor boots have a reason to touch.
        assert differences(at_cutover[1], describe(data, left_out=OWN)) == []
        for name in ("odd", "usr/bin", "etc/apt"):
            assert differences(_below(at_cutover[0], name), describe(system / name)) == [], name
        assert not (system / "var/lib/sms-agent").exists()


def _below(entries: dict[bytes, Entry], folder: str) -> dict[bytes, Entry]:
    prefix = f"/{folder}".encode()
    return {
        path.removeprefix(prefix): _relative(entry, prefix)
        for path, entry in entries.items()
        if path == prefix or path.startswith(prefix + b"/")
    }


def _relative(entry: Entry, prefix: bytes) -> Entry:
    return Entry(**(vars(entry) | {"links": frozenset(path.removeprefix(prefix) for path in entry.links)}))


def _figures(task: Any) -> str:
    rounds = [
        f"round {one['round_number']}: {one['files_sent']} files, {one['bytes_content']} bytes of contents,"
        f" {one['bytes_sent']} sent, {one['seconds']:.1f} s"
        for one in task["rounds"]
    ]
    steps = [f"{name} {seconds:.1f} s" for name, seconds in task["step_seconds"].items() if seconds >= 0.5]
    return "\n  ".join([*rounds, ", ".join(steps)])
