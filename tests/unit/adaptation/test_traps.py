"""Traps of the field, by number: what made servers that others had migrated not start, or not answer.

1 firmware of the helper, 2 entries that mkconfig leaves, 3 LVM's list of devices, 4 three cards with swapped names,
5 cloud-init of another cloud, 6 resolv.conf that may not be changed, 7 a full /boot, 8 /tmp without execution,
9 volume groups of one name, 10 a missing nofail, 11 a stale environment of GRUB.
"""

from __future__ import annotations

import array
import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.engine import Engine
from agents.target.adaptation.journal import Journal
from agents.target.adaptation.procedure import Procedure
from agents.target.adaptation.record import Record
from agents.target.adaptation.sandbox import Sandbox, SandboxResult
from agents.target.adaptation.tree import Tree
from agents.target.namespace import MS_NOEXEC, mount
from contracts.adaptation import AdaptationReport
from contracts.inventory import FileSystem, VolumeGroup
from tests.private_namespace import in_private_namespace
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.debian import DEBIAN7, DEBIAN12, UBUNTU22
from tests.unit.adaptation.trees.redhat import EL6, EL7, EL8, EL9, environment
from tests.unit.adaptation.trees.shape import ROOT_UUID, SOURCE_MACS, TARGET_MACS, Shape, StandIns

_SET_FLAGS = 0x40086602
_IMMUTABLE = 0x10


def failures(report: AdaptationReport) -> dict[str, str]:
    """Severity by code of what was found."""
    return {check.id: check.severity for check in report.checks if check.failure is not None}


def with_files(shape: Shape, **files: str) -> Shape:
    return replace(shape, files={**shape.files, **{path.replace("__", "/"): text for path, text in files.items()}})


class WrongFirmware(StandIns):
    """Stands in for a grub2-mkconfig that takes the helper's firmware for the target's."""

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        result = super().run(command, files=files)
        return replace(result, output=result.output.replace(b"\tlinux\t", b"\tlinuxefi\t"))


def test_trap_1_menu_made_for_the_helpers_firmware_is_not_taken(tmp_path: Path) -> None:
    run = FixtureRun(DEBIAN12, tmp_path)
    given = replace(run.inputs(), builder=WrongFirmware(run.root, DEBIAN12))
    tree, record = Tree(run.root), Record()
    Procedure(tree, given, Engine(tree, Journal(tree, "run"), lambda _: run.disk), record).run()
    tree.close()
    report = record.report(0)
    assert (report.verdict, failures(report)) == ("passed", {"GRUB_FIRMWARE": "W"})
    assert "linuxefi" not in run.text("/boot/grub/grub.cfg")
    assert "console=ttyS0,115200n8" in run.text("/boot/grub/grub.cfg")


def test_trap_1_menu_for_another_firmware_that_came_along_stops_the_launch(tmp_path: Path) -> None:
    menu = str(EL7.files["/boot/grub2/grub.cfg"]).replace("linux16", "linuxefi")
    report = FixtureRun(with_files(EL7, **{"/boot/grub2/grub.cfg": menu}), tmp_path).adapt()
    assert failures(report) == {"GRUB_FIRMWARE": "E"}


def test_trap_2_every_entry_in_a_file_gets_the_targets_root(tmp_path: Path) -> None:
    old = "/boot/loader/entries/0123-5.14.0-1.el9.x86_64.conf"
    text = "title old\nversion 5.14.0-1.el9.x86_64\nlinux /vmlinuz-old\noptions root=/dev/mapper/almalinux-root ro\n"
    run = FixtureRun(with_files(EL9, **{old: text}), tmp_path)
    report = run.adapt()
    assert report.verdict == "passed"
    assert f"options root=UUID={ROOT_UUID} ro console=tty0" in run.text(old)
    commands = run.inputs().builder
    assert isinstance(commands, StandIns)
    assert "almalinux-root" not in "".join(path.read_text() for path in (run.root / "boot/loader/entries").iterdir())


def test_trap_3_list_of_devices_that_hides_new_disks_is_removed(tmp_path: Path) -> None:
    run = FixtureRun(EL9, tmp_path)
    assert (run.root / "etc/lvm/devices/system.devices").exists()
    run.adapt()
    assert not (run.root / "etc/lvm/devices/system.devices").exists()
    assert [line for line in run.text("/etc/lvm/lvm.conf").splitlines() if "sda2" in line and line[0] != "#"] == []


@pytest.mark.parametrize("shape", [EL6, EL7, EL8, DEBIAN12], ids=lambda shape: shape.name)
def test_trap_4_three_cards_keep_their_names_whatever_their_order(shape: Shape, tmp_path: Path) -> None:
    names = ("eth0", "eth1", "eth2") if shape is EL6 else ("ens1", "ens2", "ens3")
    files = {
        f"/etc/sysconfig/network-scripts/ifcfg-{name}": f"DEVICE={name}\nHWADDR={mac}\nBOOTPROTO=dhcp\n"
        for name, mac in zip(names, SOURCE_MACS, strict=True)
    }
    rules = "".join(
        f'SUBSYSTEM=="net", ATTR{{address}}=="{mac}", NAME="{name}"\n'
        for name, mac in zip(names, SOURCE_MACS, strict=True)
    )
    three = replace(
        shape, cards=names, files={**shape.files, **files, "/etc/udev/rules.d/70-persistent-net.rules": rules}
    )
    run = FixtureRun(three, tmp_path)
    swapped = dict(zip(SOURCE_MACS, (TARGET_MACS[2], TARGET_MACS[0], TARGET_MACS[1]), strict=True))
    report = run.adapt(facts=run.inputs().facts.model_copy(update={"network_map": swapped}))
    assert report.verdict == "passed"
    assert "NET_STALE_MAC" not in failures(report)
    for number, (name, mac) in enumerate(zip(names, SOURCE_MACS, strict=True)):
        target = swapped[mac]
        assert f"HWADDR={target}" in run.text(f"/etc/sysconfig/network-scripts/ifcfg-{name}")
        assert f'ATTR{{address}}=="{target}", NAME="{name}"' in run.text("/etc/udev/rules.d/70-persistent-net.rules")
        if shape is not EL6:
            text = run.text(f"/etc/systemd/network/00-sms-{number}.link")
            assert text == f"[Match]\nMACAddress={target}\n\n[Link]\nName={name}\n"


def test_trap_4_cards_that_only_their_order_names_are_told(tmp_path: Path) -> None:
    report = FixtureRun(replace(UBUNTU22, cards=("eth0", "eth1")), tmp_path).adapt()
    assert failures(report) == {"NET_ORDER": "W"}
    assert report.needs["network_order"] == "eth0, eth1"


def test_trap_5_cloud_init_of_another_cloud_neither_waits_nor_writes_the_network(tmp_path: Path) -> None:
    run = FixtureRun(UBUNTU22, tmp_path)
    run.adapt()
    assert (run.root / "etc/cloud/cloud-init.disabled").exists()
    assert "Azure" in run.text("/etc/cloud/cloud.cfg.d/90-azure.cfg")
    assert TARGET_MACS[0] in run.text("/etc/netplan/50-cloud-init.yaml")


def test_trap_6_file_that_may_not_be_changed_is_adapted_and_stays_so(tmp_path: Path) -> None:
    def fix(root: Path) -> None:
        (root / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
        for name in ("etc/resolv.conf", "etc/fstab"):
            set_flags(root / name, _IMMUTABLE)

    run = FixtureRun(DEBIAN12, tmp_path, change=fix)
    try:
        report = run.adapt()
        assert failures(report) == {"NET_RESOLVER": "W"}
        assert "nofail" in run.text("/etc/fstab")
        with pytest.raises(PermissionError):
            (run.root / "etc/fstab").write_text("")
        assert run.undo() == []
        with pytest.raises(PermissionError):
            (run.root / "etc/fstab").write_text("")
        assert "nofail" not in run.text("/etc/fstab")
    finally:
        for name in ("etc/resolv.conf", "etc/fstab"):
            set_flags(run.root / name, 0)


def set_flags(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SET_FLAGS, array.array("l", [flags]))
    except OSError:
        pytest.skip("this file system has no attributes")
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_trap_7_boot_at_95_percent_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    @in_private_namespace
    def run_in_child() -> None:
        def fill(root: Path) -> None:
            kept = {path.name: path.read_bytes() for path in (root / "boot").glob("*") if path.is_file()}
            grub = tmp_path / "grub"
            shutil.copytree(root / "boot/grub2", grub)
            mount("tmpfs", str(root / "boot"), "tmpfs", options="size=40m")
            shutil.copytree(grub, root / "boot/grub2")
            for name, content in kept.items():
                (root / "boot" / name).write_bytes(content)
            (root / "boot/filler").write_bytes(bytes(38 << 20))

        run = FixtureRun(EL7, tmp_path, change=fill)
        status = os.statvfs(run.root / "boot")
        assert status.f_bavail / status.f_blocks < 0.05
        before = run.snapshot()
        report = run.adapt()
        assert failures(report) == {"SPACE": "E"}
        assert report.changes == ()
        assert run.snapshot() == before

    run_in_child()


@pytest.mark.root
def test_trap_8_builders_work_where_the_systems_tmp_may_not_execute(tmp_path: Path) -> None:
    @in_private_namespace
    def run_in_child() -> None:
        for folder in ("bin", "tmp", "var/tmp", "proc", "sys", "dev", "run"):
            (tmp_path / folder).mkdir(parents=True)
        listed = subprocess.run(
            ["ldd", "/bin/sh", "/bin/chmod"], capture_output=True, text=True, check=True
        ).stdout.split()
        for path in ("/bin/sh", "/bin/chmod", *(word.rstrip(":") for word in listed if word.startswith("/"))):
            place = tmp_path / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        for folder in ("tmp", "var/tmp"):
            mount("tmpfs", str(tmp_path / folder), "tmpfs", flags=MS_NOEXEC)
        script = "for d in /tmp /var/tmp; do echo 'echo ran' > $d/x; chmod +x $d/x; $d/x; done"
        result = Sandbox(root=tmp_path).run(["/bin/sh", "-c", script])
        assert result.output == b"ran\nran\n", result.messages

    run_in_child()


def test_trap_9_two_volume_groups_of_one_name_stop_the_launch_where_lvm_goes_along(tmp_path: Path) -> None:
    run = FixtureRun(EL7, tmp_path)
    groups = tuple(VolumeGroup(name="centos", size_bytes=1) for _ in range(2))
    given = run.inputs()
    given = replace(given, inventory=given.inventory.model_copy(update={"volume_groups": groups}))
    assert failures(adapted(run, given)) == {}
    run.undo()
    references = given.references
    physical = replace(references.volumes[-1], file_system=FileSystem(kind="lvm2_member"))
    references.volumes = (*references.volumes, physical)
    assert failures(adapted(run, given))["VOLUME_GROUP_TWICE"] == "E"


def adapted(run: FixtureRun, given: object) -> AdaptationReport:
    tree, record = Tree(run.root), Record()
    Procedure(tree, given, Engine(tree, Journal(tree, "run"), lambda _: run.disk), record).run()  # type: ignore[arg-type]
    tree.close()
    return record.report(0)


def test_trap_10_nothing_that_is_not_there_stops_the_boot(tmp_path: Path) -> None:
    lines = [
        f"UUID={ROOT_UUID} / ext4 defaults 0 1\n",
        "nas.example:/a /a nfs ro,_netdev 0 0\n",
        "nas.example:/b /b nfs\n",
        "//nas.example/c /c cifs defaults 0 0\n",
        "/dev/sdz1 /data ext4 defaults 0 2\n",
        "nas.example:/d /d nfs noauto 0 0\n",
    ]
    run = FixtureRun(with_files(DEBIAN12, **{"/etc/fstab": "".join(lines)}), tmp_path)
    assert run.adapt().verdict == "passed"
    assert run.text("/etc/fstab").splitlines() == [
        f"UUID={ROOT_UUID} / ext4 defaults 0 1",
        "nas.example:/a /a nfs ro,_netdev,nofail 0 0",
        "nas.example:/b /b nfs defaults,nofail",
        "//nas.example/c /c cifs defaults,nofail 0 0",
        "# not migrated: /dev/sdz1 /data ext4 defaults 0 2",
        "nas.example:/d /d nfs noauto 0 0",
    ]


@pytest.mark.parametrize("block", [environment(kernelopts="root=/dev/sdz9 ro"), "saved_entry=gone\n", ""])
def test_trap_11_stale_or_damaged_environment_is_made_anew(block: str, tmp_path: Path) -> None:
    shape = replace(EL8, links={}, files={**EL8.files, "/boot/grub2/grubenv": block})
    run = FixtureRun(shape, tmp_path)
    report = run.adapt()
    assert failures(report) == {}
    content = (run.root / "boot/grub2/grubenv").read_bytes()
    assert len(content) == 1024
    assert b"/dev/sdz9" not in content


def test_rule_of_an_unmapped_single_card_is_taken_out(tmp_path: Path) -> None:
    """Otherwise the target's card would become eth1, and the configuration of eth0 be without one."""
    run = FixtureRun(DEBIAN7, tmp_path)
    report = run.adapt(facts=run.inputs().facts.model_copy(update={"network_map": {}}))
    assert failures(report) == {}
    assert run.text("/etc/udev/rules.d/70-persistent-net.rules").startswith("# SUBSYSTEM")
