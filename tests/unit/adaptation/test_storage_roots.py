"""Roots on logical volumes, which stay there, and on arrays, which become plain volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.command_line import CommandLine
from agents.target.adaptation.formats.grub_config import searched_uuids
from agents.target.adaptation.references import References, mapper_name
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.steps.caches import stale_device_checks
from agents.target.adaptation.tree import Tree
from contracts.inventory import FileSystem, RaidArray
from contracts.layout import TargetLogicalVolume, VolumeSegment
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.test_verification import DRIVERS, edit, found, image_of
from tests.unit.adaptation.trees.debian import DEBIAN12
from tests.unit.adaptation.trees.logical import DEBIAN12_LVM, EL7_LVM, EL9_LVM, ROOT_VOLUME
from tests.unit.adaptation.trees.shape import ROOT_UUID, SWAP_UUID, Shape, StandIns

ARRAYS = tuple(
    RaidArray(
        name=name,
        size_bytes=1 << 20,
        level="raid1",
        uuid=f"0123456{number}-89ab-cdef-0123-456789abcdef",
        label=f"source:{label}",
        members=(f"sda{number}", f"sdb{number}"),
        file_system=FileSystem(kind="ext4", uuid=ROOT_UUID),
    )
    for number, name, label in ((1, "md127", "root"), (2, "md1", "swap"))
)
FROM_ARRAYS = replace(
    DEBIAN12,
    root_source="/dev/md127",
    files={
        **DEBIAN12.files,
        "/etc/fstab": "/dev/md/root / ext4 errors=remount-ro 0 1\n/dev/md1 none swap sw 0 0\n",
        "/etc/mdadm/mdadm.conf": "HOMEHOST <system>\nARRAY /dev/md/root metadata=1.2 UUID=01234561:89abcdef\n",
        "/etc/initramfs-tools/conf.d/resume": "RESUME=/dev/disk/by-id/md-uuid-01234562:89abcdef:01234567:89abcdef\n",
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="root=/dev/md127 rd.md.uuid=01234561:89abcdef"\n',
    },
)


def test_names_of_arrays_lead_to_what_has_taken_their_place(tmp_path: Path) -> None:
    run = FixtureRun(FROM_ARRAYS, tmp_path)
    given = run.inputs()
    inventory = given.inventory.model_copy(update={"arrays": ARRAYS})
    report = run.adapt(given=replace(given, inventory=inventory, references=References(given.layout, inventory)))
    assert report.verdict == "passed"
    assert run.text("/etc/fstab") == (
        f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\nUUID={SWAP_UUID} none swap sw 0 0\n"
    )
    assert run.text("/etc/initramfs-tools/conf.d/resume") == f"RESUME=UUID={SWAP_UUID}\n"
    assert run.text("/etc/mdadm/mdadm.conf") == (
        "HOMEHOST <system>\n# ARRAY /dev/md/root metadata=1.2 UUID=01234561:89abcdef\n"
    )
    assert run.text("/etc/default/grub") == f'GRUB_CMDLINE_LINUX="root=UUID={ROOT_UUID}"\n'


def test_other_files_that_name_an_array_are_told(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/smartd.conf").write_text("/dev/md0 -a\n")
    tree = Tree(tmp_path)
    assert [check.id for check in stale_device_checks(tree)] == ["DEVICE_STALE"]
    tree.close()


@pytest.mark.parametrize(("shape", "reads_lvm"), [(DEBIAN12_LVM, True), (EL7_LVM, False)])
def test_core_image_reads_logical_volumes_where_the_kernels_are_on_one(
    shape: Shape, tmp_path: Path, *, reads_lvm: bool
) -> None:
    run = FixtureRun(shape, tmp_path)
    stand_ins = StandIns(run.root, shape)
    assert run.adapt(given=replace(run.inputs(), builder=stand_ins)).verdict == "passed"
    (command,) = (each for each in stand_ins.commands if "mkimage" in each[0])
    assert ("lvm" in command) is reads_lvm


class WithoutLvm(StandIns):
    """A builder that has no module for LVM."""

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        return super().run([each for each in command if each != "--add"], files=files)


def test_image_that_the_builder_made_without_lvm_is_not_taken(tmp_path: Path) -> None:
    run = FixtureRun(EL7_LVM, tmp_path)
    image = run.root / f"boot/initramfs-{EL7_LVM.release}.img"
    before = image.read_bytes()
    report = run.adapt(given=replace(run.inputs(), builder=WithoutLvm(run.root, EL7_LVM)))
    assert report.verdict == "passed"
    assert [(check.id, check.severity) for check in report.checks if check.failure] == [("INITRD_NO_LVM", "W")]
    assert image.read_bytes().startswith(before)


LVM_DRIVERS = (*DRIVERS, "dm_mod")


PROGRAM = {"usr__sbin__lvm": b"program"}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "INITRD_NO_LVM"),
        ({**PROGRAM, "etc__lvm__devices__system.devices": b" IDNAME=naa.6\n"}, "INITRD_STALE"),
        ({**PROGRAM, "etc__cmdline.d__90.conf": b" rd.lvm.lv=gone/root \n"}, "INITRD_STALE"),
        ({**PROGRAM, "etc__cmdline.d__90.conf": b" rd.lvm.lv=almalinux/root \n"}, ""),
    ],
)
def test_image_that_would_not_find_the_root_volume_is_found_out(
    files: dict[str, bytes], code: str, tmp_path: Path
) -> None:
    run = FixtureRun(EL9_LVM, tmp_path)
    run.adapt()
    image_of(LVM_DRIVERS, **files)(run.root, EL9_LVM)
    assert found(run) == ({code} if code else set())


def test_image_without_the_device_mapper_is_found_out(tmp_path: Path) -> None:
    run = FixtureRun(EL9_LVM, tmp_path)
    run.adapt()
    image_of(DRIVERS, **PROGRAM)(run.root, EL9_LVM)
    assert found(run) == {"INITRD_NO_DRIVER"}


def test_menu_with_a_root_volume_that_is_not_there_is_found_out(tmp_path: Path) -> None:
    run = FixtureRun(DEBIAN12_LVM, tmp_path)
    run.adapt()
    menu = run.root / "boot/grub/grub.cfg"
    menu.write_text(f"set root='{ROOT_VOLUME}'\n{menu.read_text()}")
    assert found(run) == set()
    edit("boot/grub/grub.cfg", "/LLLLLL", "/MMMMMM")(run.root, DEBIAN12_LVM)
    assert found(run) == {"GRUB_UUID_UNKNOWN"}


def test_hints_are_no_uuids_that_are_searched() -> None:
    hint = "lvmid/iaRvcX-0CAB-12AB-34CD-aaaa-bbbb-cccccc/LLLLLL-1234-5678-9ABC-dddd-eeee-000000"
    line = f"search --no-floppy --fs-uuid --set=root --hint='{hint}'  {ROOT_UUID}\n"
    assert searched_uuids(line) == {ROOT_UUID}


def test_only_arguments_for_volumes_that_are_there_stay() -> None:
    line = CommandLine(references=References(EL7_LVM.layout()), network_map={}, has_serial_port=False)
    kept = "root=/dev/centos/root rd.lvm.lv=centos/root rd.lvm.vg=centos resume=/dev/mapper/centos-swap"
    assert line.corrected(f"{kept} rd.lvm.lv=centos/gone rd.lvm.vg=data rd.md.uuid=1:2") == kept


def test_volume_that_is_left_empty_is_there_and_is_not_mounted() -> None:
    layout = DEBIAN12_LVM.layout()
    (group,) = layout.volume_groups
    empty = TargetLogicalVolume(
        name="raw",
        uuid="LLLLLL-aaaa-bbbb-cccc-dddd-eeee-000009",
        segments=(VolumeSegment(physical_volume=0, start_extent=2, extent_count=1),),
    )
    group = group.model_copy(update={"logical_volumes": (*group.logical_volumes, empty)})
    references = References(layout.model_copy(update={"volume_groups": (group,)}))
    found = references.resolve("/dev/source-vg/raw")
    assert found is not None
    assert (found.reference, found.file_system.kind) == ("/dev/mapper/source--vg-raw", "")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/dev/my-vg/a-b", "/dev/mapper/my--vg-a--b"),
        ("/dev/disk/by-id/dm-name-centos-root", "/dev/mapper/centos-root"),
        ("/dev/mapper/centos-root", "/dev/mapper/centos-root"),
        ("/dev/md/root", "/dev/md/root"),
        ("/dev/sda1", "/dev/sda1"),
    ],
)
def test_names_of_one_logical_volume_are_one(path: str, name: str) -> None:
    assert mapper_name(path) == name
