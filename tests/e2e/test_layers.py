"""Live servers whose root lies on LVM or on a mirror of md: migrated to targets that boot.

This host has neither: the sources are made in a virtual machine, and what needs device-mapper is copied in one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.helper_image import build_helper_image
from tests.e2e.agent_disk import FOLDER, HOST, disk_with_agent, install_agent
from tests.e2e.command_line import running_installation
from tests.e2e.layered_sources import LVM, RAID1, LayeredSource, layered_disks
from tests.e2e.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]


@pytest.mark.parametrize("layers", [LVM, RAID1], ids=lambda layers: layers.name)
@pytest.mark.timeout(2700)
def test_layers_of_a_live_source_hold_the_root_of_a_target_that_boots(
    layers: LayeredSource,
    tmp_path: Path,
    note: Callable[[str], None],
    record_property: Callable[[str, object], None],
) -> None:
    image = build_helper_image()
    disks = layered_disks(layers, image, tmp_path)
    with running_installation(tmp_path, "--advertise", HOST) as sms:
        source = Machine(tmp_path, [*disks, disk_with_agent(sms, tmp_path)])
        try:
            install_agent(source, "vdc")
            shown = source.console.read_text(errors="replace")
            assert [line for line in layers.says if line not in shown] == [], "the source itself has come up whole"
            found = sms.await_server(timeout_s=300)
            options = ("--option", "health.timeout=900", "--option", f"exclude={FOLDER}", "--start", "--yes")
            task = sms.ask("task", "create", "--server", found, *options)["id"]
            launched = sms.ask("task", "watch", task, timeout_s=2400)
            assert launched["phase"] == "LAUNCHED"
            assert launched["target"]["helper"] == layers.helper
            assert launched["adaptation"]["verdict"] == "passed"
            console = Path(launched["target"]["console"]).read_text(errors="replace")
            assert [line for line in layers.target_says if line not in console] == []
            assert "source login:" in console
            seconds = launched["step_seconds"]
            note(f"{layers.name}: " + ", ".join(f"{name} {each:.0f} s" for name, each in seconds.items()))
            moved = f"the product, live, helper {layers.helper}"
            cells = ("bookworm", "BIOS, MBR, GRUB 2", f"ext4 on {layers.name}", "initramfs-tools, most", moved)
            record_property("boot", (*cells, launched["adaptation"]["seconds"], seconds["LAUNCH"]))
        finally:
            source.process.kill()
            source.process.wait()
