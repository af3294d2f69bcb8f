"""A rehearsed system is green when it comes up as its source did, and red with a code of its own for each way to break.

The layer is adapted once, with the probe in it; each case breaks a layer over that one and boots it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.host.rehearsal.machine import BootOutcome, boot
from agents.host.settings import HostSettings
from agents.target.disks import PreparedDisks
from agents.target.layer import adapt_layer
from contracts.adaptation import TargetFacts
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.messages.host import RehearseHostPoint
from contracts.rehearsal import LayerToAdapt
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import inventory, make_layer, make_replica
from tests.e2e.test_adaptation import digests
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot, pytest.mark.long]
LAYOUT: TargetLayout = plan_layout(inventory())
SOURCE = inventory().model_copy(update={"listening_ports": ()})


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[AttachedDisk]]:
    """The folder of the replica, and the disks of a layer that is adapted and has the probe."""
    folder = tmp_path_factory.mktemp("rehearsal")
    in_private_namespace(make_replica)(folder, LAYOUT)
    disks = make_layer(folder, LAYOUT, "adapted")

    @in_private_namespace
    def run() -> None:
        order = LayerToAdapt(
            work_folder=str(folder / "work"),
            disks=tuple(disks),
            layout=LAYOUT,
            inventory=SOURCE,
            target_facts=TargetFacts(),
            has_probe=True,
        )
        done = adapt_layer(order, ())
        assert done.report is not None, done.failure
        assert done.report.verdict == "passed", done.report.failure

    run()
    return folder, disks


def _fstab(tree: Path) -> None:
    table = tree / "etc/fstab"
    table.write_text(table.read_text().replace("\txfs\t", "\text4\t").replace(" xfs ", " ext4 "))


def _optional_mount(tree: Path) -> None:
    _fstab(tree)
    table = tree / "etc/fstab"
    lines = (line.replace("defaults", "defaults,nofail") if "/data" in line else line for line in table.open())
    table.write_text("".join(list(lines)))


def _initramfs(tree: Path) -> None:
    for image in (tree / "boot").glob("initrd.img-*"):
        image.write_bytes(b"")


def _network(tree: Path) -> None:
    text = (tree / "etc/network/interfaces").read_text()
    (tree / "etc/network/interfaces").write_text(text.replace("ens7", "eth42"))


def _service(tree: Path) -> None:
    unit = "[Unit]\nDescription=An application\n[Service]\nExecStart=/bin/false\nType=oneshot\n"
    (tree / "etc/systemd/system/application.service").write_text(unit)
    link = tree / "etc/systemd/system/multi-user.target.wants/application.service"
    link.symlink_to("/etc/systemd/system/application.service")


def _nothing(tree: Path) -> None:
    """As it is."""


def _boot_loader(disk: Path) -> None:
    with disk.open("r+b") as file:
        file.write(bytes(440))
        file.seek(510)
        file.write(bytes(2))


BREAKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (_nothing, ""),
    "fstab": (_fstab, "SMS.LAUNCH.EMERGENCY_MODE"),
    "optional mount": (_optional_mount, "SMS.REHEARSAL.MOUNT_MISSING"),
    "initramfs": (_initramfs, "SMS.LAUNCH.NO_ROOT"),
    "network": (_network, "SMS.REHEARSAL.NO_ADDRESS"),
    "service": (_service, "SMS.REHEARSAL.FAILED_UNITS"),
    "boot loader": (_boot_loader, "SMS.LAUNCH.BOOT_LOADER"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_rehearsal_of_a_broken_system_is_red_with_the_code_of_the_break(
    adapted: tuple[Path, list[AttachedDisk]], tmp_path: Path, what: str, note: Callable[[str], None]
) -> None:
    folder, base = adapted
    before = digests(folder)
    break_it, code = BREAKS[what]
    disks = _over(base, tmp_path)
    in_private_namespace(_break)(disks, tmp_path, break_it, is_whole_disk=what == "boot loader")
    outcome = _rehearsed(disks, tmp_path)
    codes = [failure.code for failure in outcome.failures]
    note(f"rehearsal, broken: {what}: {codes or 'green'}, login after {outcome.login_seconds} s")
    assert codes[:1] == ([code] if code else []), [failure.cause for failure in outcome.failures]
    if not code:
        assert outcome.report is not None
        assert {"/", "/data"} <= set(outcome.report.mount_points())
        assert any("inet" in address for address in outcome.report.addresses)
    assert digests(folder) == before


def test_rehearsal_misses_a_port_that_only_the_source_has(
    adapted: tuple[Path, list[AttachedDisk]], tmp_path: Path
) -> None:
    disks = _over(adapted[1], tmp_path)
    outcome = _rehearsed(disks, tmp_path, ports=(54321,))
    assert [failure.code for failure in outcome.failures] == ["SMS.REHEARSAL.PORT_MISSING"]
    assert outcome.missing_ports == (54321,)


def _over(base: list[AttachedDisk], folder: Path) -> list[AttachedDisk]:
    disks = []
    for disk in base:
        path = folder / f"{disk.name}.qcow2"
        backing = ["-F", "qcow2", "-b", disk.path]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path)], check=True)
        disks.append(AttachedDisk(name=disk.name, path=str(path), format="qcow2"))
    return disks


def _break(disks: list[AttachedDisk], folder: Path, break_it: Callable[[Path], None], *, is_whole_disk: bool) -> None:
    prepared = PreparedDisks(folder / "layer")
    prepared.attach(disks)
    try:
        break_it(prepared.raw_path("vda") if is_whole_disk else prepared.mount_tree(LAYOUT))
    finally:
        prepared.detach()


def _rehearsed(disks: list[AttachedDisk], folder: Path, *, ports: tuple[int, ...] = ()) -> BootOutcome:
    request = RehearseHostPoint(
        target_id="t1",
        rehearsal_id="r1",
        point_id="p1",
        layout=LAYOUT,
        inventory=SOURCE.model_copy(update={"listening_ports": ports}),
        target_facts=TargetFacts(),
        cpu_count=2,
        memory_bytes=768 << 20,
        timeout_s=600,
    )
    home = folder / "home"
    home.mkdir()
    settings = HostSettings(data_folder=folder, bus_url="", boot_probe_kernel=Path("/nonexistent"))
    return boot(tuple(disks), request, settings, home=home)
