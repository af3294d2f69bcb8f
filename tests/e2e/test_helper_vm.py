"""A migration whose copy and adaptation run in the helper VM, as on every real cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.helper_image import build_helper_image
from tests.e2e.command_line import running_agent, running_installation
from tests.e2e.compare_trees import describe, differences
from tests.e2e.disk_images import bound, check_file_system, identifiers, mounted, partition_table
from tests.e2e.source_disks import MountedSource

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
