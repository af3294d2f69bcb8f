"""From a source's inventory to a target that boots, with real disks, a real Debian and QEMU."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from pathlib import Path

import pytest

from agents.target.adaptation import adapt, plan_adaptation, undo_adaptation
from agents.target.adaptation.formats.initramfs import names_in_image
from agents.target.adaptation.sandbox import Sandbox
from agents.target.disks import PreparedDisks
from contracts.adaptation import AdaptationReport, TargetFacts
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import (
    DATA_UUID,
    ESP_UUID,
    ROOT_UUID,
    SOURCE_MAC,
    TARGET_MAC,
    gpt_inventory,
    inventory,
    make_layer,
    make_replica,
    uefi_inventory,
)
from tests.e2e.machine import Machine
from tests.private_namespace import in_private_namespace

pytestmark = [pytest.mark.root, pytest.mark.boot]
FACTS = TargetFacts(network_map={SOURCE_MAC: TARGET_MAC})
NEW_IDENTITY = FACTS.model_copy(update={"identity": "new", "seed": "task-1"})
NEW_ID = uuid.uuid5(uuid.NAMESPACE_URL, "task-1/etc/machine-id").hex
OWN_PATHS = ("/opt/agent", "/etc/systemd/system/agent.service")


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replica")
    in_private_namespace(make_replica)(folder, LAYOUT)
    return folder


@pytest.fixture(scope="module")
def uefi_replica(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uefi-replica")
    in_private_namespace(make_replica)(folder, UEFI_LAYOUT)
    return folder


LAYOUT: TargetLayout = plan_layout(inventory())
UEFI_LAYOUT: TargetLayout = plan_layout(uefi_inventory())


def digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.glob("*.raw")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return found


def adapted(folder: Path, disks: list[AttachedDisk], *, keeps_journal: bool = False) -> AdaptationReport:
    prepared = PreparedDisks(folder / "layer")
    prepared.attach(disks)
    try:
        return adapt(prepared, LAYOUT, inventory(), FACTS, OWN_PATHS, keeps_journal=keeps_journal)
    finally:
        prepared.detach()


@pytest.mark.long
def test_adapted_layer_boots_to_the_login_prompt_and_the_replica_stays_as_it_was(
    replica: Path, machines: list[Machine]
) -> None:
    before = digests(replica)
    disks = make_layer(replica, LAYOUT, "launch")
    report_path = replica / "report.json"

    @in_private_namespace
    def run() -> None:
        report_path.write_text(adapted(replica, disks).model_dump_json())

    run()
    report = AdaptationReport.model_validate_json(report_path.read_text())
    assert report.verdict == "passed", report.failure
    assert "/etc/fstab" in report.adapted_paths
    assert {check.id for check in report.checks} >= {"KERNEL_MISSING", "INITRD_NO_DRIVER", "ROOT_UNRESOLVED", "FSCK"}
    assert [(c.id, c.failure) for c in report.checks if c.failure is not None] == []

    machine = Machine(replica, disks)
    machines.append(machine)
    machine.wait_for("source login:")
    machine.type("root")
    machine.wait_for(":~#")
    machine.type("cat /data/order.txt; ls /opt; ip -o -4 addr show ens7")
    machine.type("swapon --noheadings; systemctl --failed --plain --no-legend; echo FI''NISHED")
    shown = machine.wait_for("FINISHED")
    assert "order 1" in shown
    assert "partition 150M" in shown
    assert "/swap.img file" in " ".join(shown.split())
    assert "10.0.2.15/24" in shown
    assert "agent" not in shown.split("order 1")[-1]
    # The server of the network file system is not there, which does not stop the boot; nothing else failed.
    assert [line.split()[0] for line in shown.splitlines() if " failed " in line and ".service" in line] == []
    assert digests(replica) == before


def test_layer_with_a_broken_boot_loader_fails_its_check_and_the_replica_stays_as_it_was(replica: Path) -> None:
    before = digests(replica)
    disks = make_layer(replica, LAYOUT, "broken")

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(replica / "layer")
        prepared.attach(disks)
        tree = prepared.mount_tree(LAYOUT)
        (tree / "usr/lib/grub/i386-pc/boot.img").unlink()
        for kernel in (tree / "boot").glob("vmlinuz-*"):
            kernel.write_bytes(b"not a kernel")
        prepared.unmount()
        report = adapt(prepared, LAYOUT, inventory(), FACTS, OWN_PATHS)
        prepared.detach()
        assert report.verdict == "failed"
        assert report.failure is not None
        assert report.failure.code == "SMS.ADAPT.BOOTCODE_MISSING"
        assert "boot.img" in report.failure.cause
        failed = {check.id for check in report.checks if check.failure is not None and check.severity == "E"}
        assert {"BOOTCODE_MISSING", "KERNEL_MISSING"} <= failed

    run()
    assert digests(replica) == before


@pytest.mark.long
def test_system_whose_builder_is_gone_boots_with_appended_drivers(replica: Path, machines: list[Machine]) -> None:
    disks = make_layer(replica, LAYOUT, "appended")

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(replica / "layer")
        prepared.attach(disks)
        tree = prepared.mount_tree(LAYOUT)
        (tree / "etc/initramfs-tools/initramfs.conf").write_text("MODULES=list\nCOMPRESS=gzip\n")
        (release,) = [path.name for path in (tree / "lib/modules").iterdir()]
        sandbox = Sandbox(root=tree)
        image = sandbox.run(["/bin/sh", "-c", "mkinitramfs -o /tmp/image $1 >&2; cat /tmp/image", "sh", release])
        assert not any("virtio_blk" in name for name in names_in_image(image.output))
        (tree / f"boot/initrd.img-{release}").write_bytes(image.output)
        (tree / "usr/sbin/mkinitramfs").unlink()
        prepared.unmount()
        report = adapt(prepared, LAYOUT, inventory(), FACTS, OWN_PATHS)
        prepared.detach()
        assert report.verdict == "passed", report.failure
        assert any("virtio_blk" in change.after for change in report.changes if change.path.startswith("/boot/initrd"))

    run()
    machine = Machine(replica, disks)
    machines.append(machine)
    machine.wait_for("source login:")


@pytest.mark.long
def test_system_on_a_gpt_boots_by_bios_from_grubs_own_partition(tmp_path: Path, machines: list[Machine]) -> None:
    layout = plan_layout(gpt_inventory())
    in_private_namespace(make_replica)(tmp_path, layout)
    disks = make_layer(tmp_path, layout, "gpt")

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(tmp_path / "layer")
        prepared.attach(disks)
        report = adapt(prepared, layout, gpt_inventory(), FACTS, OWN_PATHS)
        reserved = layout.disks[0].partitions[0]
        with prepared.raw_path("vda").open("rb") as disk:
            gap = disk.read(reserved.start_bytes)
            # Behind the code and the table the MBR's gap belongs to the GPT; the core image is in the partition.
            assert gap[512:520] == b"EFI PART"
            assert disk.read(512) != bytes(512)
        prepared.detach()
        assert report.verdict == "passed", report.failure
        assert [(check.id, check.failure) for check in report.checks if check.failure is not None] == []
        assert report.facts["foreign_agents"] == "Azure, Alibaba Cloud"

    run()
    machine = Machine(tmp_path, disks)
    machines.append(machine)
    machine.wait_for("source login:")
    machine.type("root")
    machine.wait_for(":~#")
    machine.type("swapon --noheadings; systemctl --failed --plain --no-legend; echo FI''NISHED")
    shown = machine.wait_for("FINISHED")
    assert "/swap.img file 128M" in " ".join(shown.split())
    assert "partition 150M" in shown
    assert [line.split()[0] for line in shown.splitlines() if " failed " in line and ".service" in line] == []


@pytest.mark.long
def test_system_boots_by_uefi_on_a_machine_that_has_never_seen_it(uefi_replica: Path, machines: list[Machine]) -> None:
    before = digests(uefi_replica)
    disks = make_layer(uefi_replica, UEFI_LAYOUT, "uefi")

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(uefi_replica / "layer")
        prepared.attach(disks)
        facts = FACTS.model_copy(update={"firmware": "UEFI"})
        report = adapt(prepared, UEFI_LAYOUT, uefi_inventory(), facts, OWN_PATHS)
        prepared.detach()
        assert report.verdict == "passed", report.failure
        assert [(check.id, check.failure) for check in report.checks if check.failure is not None] == []
        assert {"ESP_MISSING", "ESP_FALLBACK", "FS_GRUB", "FSCK"} <= {check.id for check in report.checks}
        assert {"/boot/efi/EFI/BOOT/BOOTX64.EFI", "/boot/efi/EFI/BOOT/grubx64.efi"} <= set(report.adapted_paths)

    run()
    assert not (uefi_replica / "layer").exists()
    machine = Machine(uefi_replica, disks, is_uefi=True)
    machines.append(machine)
    # Firmware and shim take their time without KVM.
    machine.wait_for("source login:", timeout_s=270)
    machine.type("root")
    machine.wait_for(":~#")
    machine.type("ls -d /sys/firmware/efi; findmnt -no SOURCE,UUID /boot/efi; ls /boot/efi/EFI/debian")
    machine.type("systemctl --failed --plain --no-legend; echo FI''NISHED")
    shown = machine.wait_for("FINISHED")
    assert "\n/sys/firmware/efi" in shown
    assert ESP_UUID in shown
    assert "BOOTX64.CSV" in shown
    assert [line.split()[0] for line in shown.splitlines() if " failed " in line and ".service" in line] == []
    assert digests(uefi_replica) == before


def test_system_without_a_boot_loader_on_its_efi_partition_fails_its_check_and_its_plan(uefi_replica: Path) -> None:
    disks = make_layer(uefi_replica, UEFI_LAYOUT, "empty")

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(uefi_replica / "layer")
        prepared.attach(disks)
        tree = prepared.mount_tree(UEFI_LAYOUT)
        for name in ("grubx64.efi", "shimx64.efi"):
            (tree / "boot/efi/EFI/debian" / name).unlink()
        prepared.detach()
        facts = FACTS.model_copy(update={"firmware": "UEFI"})
        prepared = PreparedDisks(uefi_replica / "layer", is_read_only=True)
        prepared.attach(disks)
        plan = plan_adaptation(prepared, UEFI_LAYOUT, uefi_inventory(), facts, OWN_PATHS)
        prepared.detach()
        prepared = PreparedDisks(uefi_replica / "layer")
        prepared.attach(disks)
        report = adapt(prepared, UEFI_LAYOUT, uefi_inventory(), facts, OWN_PATHS)
        prepared.detach()
        for each in (plan, report):
            assert each.verdict == "failed"
            assert each.failure is not None
            assert each.failure.code == "SMS.ADAPT.ESP_FALLBACK"

    run()


def test_undone_adaptation_leaves_every_file_as_it_was_copied(replica: Path) -> None:
    disks = make_layer(replica, LAYOUT, "undone")

    def listing(prepared: PreparedDisks) -> dict[str, str]:
        tree = prepared.mount_tree(LAYOUT)
        found = {}
        for folder in ("etc", "boot", "var/lib", "usr/lib/grub"):
            for path in sorted((tree / folder).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    found[str(path.relative_to(tree))] = hashlib.sha256(path.read_bytes()).hexdigest()
        prepared.unmount()
        return found

    @in_private_namespace
    def run() -> None:
        prepared = PreparedDisks(replica / "layer")
        prepared.attach(disks)
        before = listing(prepared)
        sector = prepared.raw_path("vda").open("rb").read(64 << 10)
        report = adapt(prepared, LAYOUT, inventory(), FACTS, keeps_journal=True)
        assert listing(prepared) != before
        assert report.verdict == "passed", report.failure
        assert undo_adaptation(prepared, LAYOUT) == []
        assert listing(prepared) == before
        assert prepared.raw_path("vda").open("rb").read(64 << 10) == sector
        prepared.detach()

    run()


def test_plan_of_a_real_debian_writes_nothing_and_is_what_is_then_done(replica: Path) -> None:
    disks = make_layer(replica, LAYOUT, "planned")
    images = [Path(disk.path) for disk in disks]

    @in_private_namespace
    def run() -> None:
        before = [hashlib.sha256(image.read_bytes()).hexdigest() for image in images]
        prepared = PreparedDisks(replica / "layer", is_read_only=True)
        prepared.attach(disks)
        plan = plan_adaptation(prepared, LAYOUT, inventory(), NEW_IDENTITY, OWN_PATHS)
        prepared.detach()
        assert [hashlib.sha256(image.read_bytes()).hexdigest() for image in images] == before
        assert plan.verdict == "passed", plan.failure
        prepared = PreparedDisks(replica / "layer")
        prepared.attach(disks)
        report = adapt(prepared, LAYOUT, inventory(), NEW_IDENTITY, OWN_PATHS)
        tree = prepared.mount_tree(LAYOUT)
        identity = (tree / "etc/machine-id").read_text()
        prepared.detach()
        assert report.verdict == "passed", report.failure
        assert [(each.step, each.operation, each.path, each.after) for each in plan.changes] == [
            (each.step, each.operation, each.path, each.after) for each in report.changes
        ]
        assert identity == f"{NEW_ID}\n"

    run()


def test_identifiers_of_the_source_are_on_the_target(replica: Path) -> None:
    table = subprocess.run(["sfdisk", "-d", replica / "vda.raw"], capture_output=True, text=True, check=True).stdout
    assert "label-id: 0x1f2e3d4c" in table
    assert f"{replica}/vda.raw5 : start=     5122048" in table
    probe = ["blkid", "-p", "-O", str(LAYOUT.disks[0].partitions[0].start_bytes), "-o", "value", "-s", "UUID"]
    assert (
        subprocess.run([*probe, str(replica / "vda.raw")], capture_output=True, text=True).stdout.strip() == ROOT_UUID
    )
    whole = ["blkid", "-p", "-o", "value", "-s", "UUID", str(replica / "vdb.raw")]
    assert subprocess.run(whole, capture_output=True, text=True).stdout.strip() == DATA_UUID
