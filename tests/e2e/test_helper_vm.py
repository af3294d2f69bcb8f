"""A migration whose copy and adaptation run in the helper VM, as on every real cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.helper_image import build_helper_image
from agents.host.helper_vm.adapting import adapt_in_vm
from agents.host.settings import HostSettings
from contracts.adaptation import TargetFacts
from contracts.rehearsal import AdaptedLayer, LayerToAdapt
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import inventory, make_layer, make_replica
from tests.e2e.command_line import running_agent, running_installation
from tests.e2e.compare_trees import describe, differences
from tests.e2e.disk_images import bound, check_file_system, identifiers, mounted, partition_table
from tests.e2e.source_disks import MountedSource
from tests.e2e.test_adaptation import digests
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]
OWN = frozenset({b"/lost+found", b"/var/lib/sms-agent"})


@pytest.mark.timeout(2600)
def test_helper_vm_copies_and_adapts_a_system_that_boots(
    source: MountedSource, tmp_path: Path, note: Callable[[str], None]
) -> None:
    build_helper_image()
    with running_installation(tmp_path) as sms:
        agent = sms.new_agent(source.root, source.root / "var/lib/sms-agent")
        with running_agent(agent):
            server = sms.await_server()
            options = ("--option", "helper=vm", "--option", "health.timeout=900", "--start", "--yes")
            task_id = sms.ask("task", "create", "--server", server, *options)["id"]
            launched = sms.ask("task", "watch", task_id, timeout_s=2400)
            assert launched["phase"] == "LAUNCHED"
            assert launched["target"]["helper"] == "vm"
            assert launched["adaptation"]["verdict"] == "passed"
            note(", ".join(f"{name} {seconds:.0f} s" for name, seconds in launched["step_seconds"].items()))

            home = sms.data / f"targets/{task_id}/helper/vm"
            console = (home / "console.log").read_text(errors="replace")
            assert "sms-helper: the agent starts" in console
            assert "sms-helper: the agent has ended with 0" in console, "it ends by itself before the launch"
            assert json.loads((home / "metadata.json").read_text())["enrolment"] == "", "the token was used"
            assert not (home / "metadata-alarm").exists()

            images = sorted((sms.data / f"targets/{task_id}/replica").glob("*.raw"))
            for image, original in zip(images, (source.system_image, source.data_image), strict=True):
                assert partition_table(image) == partition_table(original)
                assert identifiers(image) == identifiers(original)
                check_file_system(image, 1)
            with mounted(images[0], 1, tmp_path / "replica") as replica, bound(source.root, tmp_path / "v") as view:
                assert differences(describe(view, left_out=OWN), describe(replica, left_out=OWN)) == []
        sms.ask("task", "finish", task_id, "--wait", timeout_s=600)
        sms.run("down")
        assert sms.leftovers() == []
        assert not list(sms.data.glob("targets/*/helper/*"))


@pytest.mark.timeout(1200)
def test_helper_vm_adapts_a_layer_alone_and_reports_by_its_metadata_service(
    tmp_path: Path, note: Callable[[str], None]
) -> None:
    image = build_helper_image()
    layout = plan_layout(inventory())
    in_private_namespace(make_replica)(tmp_path, layout)
    before = digests(tmp_path)
    order = LayerToAdapt(
        work_folder="",
        disks=tuple(make_layer(tmp_path, layout, "rehearsed")),
        layout=layout,
        inventory=inventory(),
        target_facts=TargetFacts(),
        has_probe=True,
    )
    settings = HostSettings(
        data_folder=tmp_path, bus_url="tls://127.0.0.1:4222", helper_image=image, boot_probe_kernel=Path("/nonexistent")
    )
    home = tmp_path / "t1/rehearsal/vm"
    home.parent.mkdir(parents=True)
    began = time.monotonic()
    said = adapt_in_vm(home, order, settings)
    note(f"helper VM: one layer adapted in {time.monotonic() - began:.0f} s")
    adapted = AdaptedLayer.model_validate_json(said or b"{}")
    assert adapted.failure is None, adapted.failure
    assert adapted.report is not None, (home / "console.log").read_text(errors="replace")[-3000:]
    assert adapted.report.verdict == "passed", adapted.report.failure
    assert "/etc/sms-rehearsal/probe" in {change.path for change in adapted.report.changes}
    assert digests(tmp_path) == before
