"""Releases of Debian, their builders and boot loaders: each is adapted and starts up to its login prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.target.adaptation import adapt
from agents.target.disks import PreparedDisks
from contracts.adaptation import AdaptationReport, TargetFacts
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import SOURCE_MAC, TARGET_MAC, inventory, make_layer, make_replica
from tests.e2e.debian_suites import CHAINS, Chain
from tests.e2e.machine import Machine
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]
LAYOUT = plan_layout(inventory())


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_system_boots_on_other_disks_and_cards(
    chain: Chain, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    in_private_namespace(make_replica)(tmp_path, LAYOUT, chain.tarball())
    disks = make_layer(tmp_path, LAYOUT, "launch")
    report_path = tmp_path / "report.json"

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(tmp_path / "layer")
        prepared.attach(disks)
        try:
            report = adapt(prepared, LAYOUT, inventory(), TargetFacts(network_map={SOURCE_MAC: TARGET_MAC}))
        finally:
            prepared.detach()
        report_path.write_text(report.model_dump_json())

    run()
    report = AdaptationReport.model_validate_json(report_path.read_text())
    assert report.verdict == "passed", report.failure
    assert [(check.id, check.failure) for check in report.checks if check.failure is not None] == []
    assert report.facts["initramfs_tool"] == chain.builder
    started = time.monotonic()
    machine = Machine(tmp_path, disks)
    try:
        machine.wait_for("source login:", timeout_s=240)
        seconds = time.monotonic() - started
        machine.type("root")
        machine.wait_for(":~#")
        machine.type("cat /data/order.txt; findmnt -no SOURCE /; ip -o -4 addr show ens7; echo FI''NISHED")
        shown = machine.wait_for("FINISHED")
    finally:
        machine.process.kill()
        machine.process.wait()
    assert "order 1" in shown
    assert "/dev/vda1" in shown
    assert "10.0.2.15/24" in shown
    record_property("boot", (chain.name, report.seconds, seconds))
