"""A live server that boots by UEFI, migrated by the agent inside it to a target that boots by UEFI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.target.adaptation import adapt
from agents.target.disks import PreparedDisks
from contracts.adaptation import TargetFacts
from contracts.messages.agent import AttachedDisk
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import SOURCE_MAC, TARGET_MAC, make_layer, make_replica, uefi_inventory
from tests.e2e.agent_disk import FOLDER, HOST, disk_with_agent, install_agent
from tests.e2e.command_line import running_installation
from tests.e2e.debian_suites import DebianSystem
from tests.e2e.machine import Machine
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]
LAYOUT = plan_layout(uefi_inventory())
SYSTEM = DebianSystem(suite="bookworm", starts_by="UEFI, GPT", loader="shim, GRUB 2")


@pytest.fixture
def disks(tmp_path: Path) -> list[AttachedDisk]:
    """The disks of a server that boots by UEFI: made as a migration makes them, since that is tested elsewhere."""
    in_private_namespace(make_replica)(tmp_path, LAYOUT)
    layer = make_layer(tmp_path, LAYOUT, "source")

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(tmp_path / "layer")
        prepared.attach(layer)
        facts = TargetFacts(firmware="UEFI", network_map={SOURCE_MAC: TARGET_MAC})
        assert adapt(prepared, LAYOUT, uefi_inventory(), facts, ("/opt/agent",)).verdict == "passed"
        prepared.detach()

    run()
    return layer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[list[AttachedDisk]], Machine]]:
    running: list[Machine] = []

    def start(disks: list[AttachedDisk]) -> Machine:
        running.append(Machine(tmp_path, disks, is_uefi=True))
        return running[-1]

    yield start
    for machine in running:
        machine.process.kill()
        machine.process.wait()


@pytest.mark.timeout(2000)
def test_live_server_that_boots_by_uefi_migrates_to_a_target_that_boots_by_uefi(
    disks: list[AttachedDisk],
    server: Callable[[list[AttachedDisk]], Machine],
    tmp_path: Path,
    note: Callable[[str], None],
    record_property: Callable[[str, object], None],
) -> None:
    with running_installation(tmp_path, "--advertise", HOST) as sms:
        source = server([*disks, disk_with_agent(sms, tmp_path)])
        install_agent(source, "vdc")
        found = sms.await_server(timeout_s=120)
        options = ("--option", "health.timeout=600", "--option", f"exclude={FOLDER}", "--start", "--yes")
        task = sms.ask("task", "create", "--server", found, *options)["id"]
        launched = sms.ask("task", "watch", task, timeout_s=1200)
        assert launched["phase"] == "LAUNCHED"
        source.type("touch /boot/efi/EFI/debian/later; echo TOU''CHED")
        source.wait_for("TOUCHED")
        moved = sms.ask("task", "cutover", task, "--wait", timeout_s=1200)
        assert moved["is_cut_over"]
        sms.run("task", "verify", task, timeout_s=600)
        console = Path(sms.task(task)["target"]["console"]).read_text(errors="replace")
        assert "BdsDxe" in console
        assert "source login:" in console
        note("\n  ".join(f"{name} {seconds:.1f} s" for name, seconds in sms.task(task)["step_seconds"].items()))
        figures = (moved["adaptation"]["seconds"], moved["cutover"]["boot_s"])
        record_property("boot", (*SYSTEM.cells[:-1], "the product, live", *figures))
