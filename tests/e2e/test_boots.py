"""Releases of Debian, their disks, builders and boot loaders: each is moved and starts up to its login prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from agents.helper_image import build_helper_image
from agents.target.adaptation import adapt
from agents.target.disks import PreparedDisks
from contracts.adaptation import AdaptationReport, TargetFacts
from contracts.layout import TargetLayout
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import (
    BOOT_UUID,
    ROOT_UUID,
    SOURCE_MAC,
    TARGET_MAC,
    make_layer,
    make_replica,
    raw_disks,
)
from tests.e2e.command_line import running_agent, running_installation
from tests.e2e.debian_suites import SYSTEMS, DebianSystem
from tests.e2e.machine import Machine
from tests.e2e.source_disks import write_menu
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]
# Without KVM, on a machine that does other things as well.
BOOT_S = 600
ADAPTED = [system for system in SYSTEMS if not system.is_migrated]
MIGRATED = [system for system in SYSTEMS if system.is_migrated]


def made_source(system: DebianSystem, folder: Path) -> TargetLayout:
    layout = plan_layout(system.inventory())
    has_few_drivers = system.drivers == "dep"
    in_private_namespace(make_replica)(folder, layout, system.tarball(), has_few_drivers=has_few_drivers)
    return layout


@pytest.mark.parametrize("system", ADAPTED, ids=lambda system: system.name)
def test_adapted_system_boots_on_other_disks_and_cards(
    system: DebianSystem, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    layout = made_source(system, tmp_path)
    disks = make_layer(tmp_path, layout, "launch")
    report_path = tmp_path / "report.json"

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(tmp_path / "layer")
        prepared.attach(disks)
        facts = TargetFacts(firmware=layout.firmware, network_map={SOURCE_MAC: TARGET_MAC})
        try:
            report = adapt(prepared, layout, system.inventory(), facts)
        finally:
            prepared.detach()
        report_path.write_text(report.model_dump_json())

    run()
    report = AdaptationReport.model_validate_json(report_path.read_text())
    assert report.verdict == "passed", report.failure
    assert [(check.id, check.failure) for check in report.checks if check.failure is not None] == []
    assert report.facts["initramfs_tool"] == system.builder
    started = time.monotonic()
    machine = Machine(tmp_path, disks, is_uefi=layout.firmware == "UEFI")
    try:
        machine.wait_for("source login:", timeout_s=BOOT_S)
        seconds = time.monotonic() - started
        machine.type("root")
        machine.wait_for(":~#", timeout_s=BOOT_S)
        # Where the card is brought up when it appears, no login waits for its address.
        machine.type("for _ in $(seq 60); do ip -o -4 addr show ens7 | grep -q inet && break; sleep 1; done")
        # What writes to a terminal is coloured by newer releases.
        machine.type("{ cat /data/order.txt; findmnt -rnvo TARGET,SOURCE,FSTYPE; ip -o -4 addr show ens7; } | cat")
        machine.type("systemctl --failed --plain --no-legend | cat; echo FI''NISHED")
        shown = machine.wait_for("FINISHED", timeout_s=BOOT_S)
    finally:
        machine.process.kill()
        machine.process.wait()
    assert "order 1" in shown
    assert "10.0.2.15/24" in shown
    for volume in layout.volumes:
        device = f"/dev/{volume.target_disk}{volume.target_partition or ''}"
        assert f"{volume.mount_point} {device} {volume.kind}" in shown
    assert [line.split()[0] for line in shown.splitlines() if " failed " in line and ".service" in line] == []
    record_property("boot", (*system.cells, report.seconds, seconds))


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("system", MIGRATED, ids=lambda system: system.name)
def test_mounted_system_is_migrated_and_boots(
    system: DebianSystem, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if system.needs_helper_vm:
        build_helper_image()
    layout = made_source(system, tmp_path)
    source = PreparedDisks(tmp_path / "source")
    source.attach(raw_disks(tmp_path, layout))
    with ExitStack() as cleanup:
        cleanup.callback(source.detach)
        root = source.mount_tree(layout)
        write_menu(root, ROOT_UUID, BOOT_UUID if system.has_boot_partition else ROOT_UUID)
        sms = cleanup.enter_context(running_installation(tmp_path))
        with running_agent(sms.new_agent(root, root / "var/lib/sms-agent")):
            options = ["--option", f"health.timeout={BOOT_S}", "--start", "--yes"]
            options += ["--option", "helper=vm"] if system.needs_helper_vm else []
            task_id = sms.ask("task", "create", "--server", sms.await_server(timeout_s=120), *options)["id"]
            assert sms.ask("task", "watch", task_id, timeout_s=2400)["phase"] == "LAUNCHED"
            moved = sms.ask("task", "cutover", task_id, "--wait", timeout_s=1800)
            assert moved["is_cut_over"]
            sms.run("task", "verify", task_id, timeout_s=600)
            assert sms.ask("task", "finish", task_id, "--wait", timeout_s=300)["phase"] == "FINISHED"
        report = AdaptationReport.model_validate(moved["adaptation"])
    assert report.facts["initramfs_tool"] == system.builder
    record_property("boot", (*system.cells, report.seconds, moved["cutover"]["boot_s"]))
