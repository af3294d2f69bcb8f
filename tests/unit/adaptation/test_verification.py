"""What is wrong with an adapted system is found before it is started, each thing with a code of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.formats.archive import appended
from agents.target.adaptation.formats.initramfs import InitramfsError, names_in_image, read_image
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.kernels import installed_kernels
from agents.target.adaptation.procedure import verification
from agents.target.adaptation.references import TargetVolume
from agents.target.adaptation.steps.grub_legacy_code import embedded, first_sector, told
from agents.target.adaptation.steps.initramfs import plan_initramfs
from agents.target.adaptation.system import detect_system
from agents.target.adaptation.tree import Tree
from contracts.inventory import FileSystem
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.boot_files import COMPRESSIONS, image_members, initrd
from tests.unit.adaptation.trees.debian import DEBIAN12
from tests.unit.adaptation.trees.redhat import EL6, EL7, EL7_UEFI, EL8, EL9, MACHINE_ID, environment
from tests.unit.adaptation.trees.redhat_derived import AMAZON1
from tests.unit.adaptation.trees.shape import Shape
from tests.unit.adaptation.trees.suse import SLES11, SLES15

Break = Callable[[Path, Shape], None]


def found(run: FixtureRun, given: Inputs | None = None) -> set[str]:
    """The codes of what stops the launch."""
    inputs = given or run.inputs()
    tree = Tree(run.root)
    system = detect_system(tree, is_uefi=run.shape.firmware == "UEFI")
    checks = verification(tree, inputs, system)
    tree.close()
    return {check.id for check in checks if check.failure is not None and check.severity == "E"}


def edit(path: str, old: str, new: str) -> Break:
    def change(root: Path, shape: Shape) -> None:
        place = root / path.format(shape.release)
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new))

    return change


def remove(path: str) -> Break:
    return lambda root, shape: (root / path.format(shape.release)).unlink()


def write(path: str, content: bytes) -> Break:
    def change(root: Path, shape: Shape) -> None:
        (root / path.format(shape.release)).write_bytes(content)

    return change


def image_of(names: Iterable[str], **files: bytes) -> Break:
    """An image of its shape's compression, with these modules and files (``__`` for slashes)."""

    def change(root: Path, shape: Shape) -> None:
        members = image_members(shape.release, names, suffix=shape.module_suffix, usr=shape.usr)
        members |= {name.replace("__", "/"): content for name, content in files.items()}
        place = root / "boot" / shape.initrd_name.format(shape.release)
        place.write_bytes(initrd(members, shape.compression, microcode=True))

    return change


DRIVERS = ("virtio", "virtio_ring", "virtio_pci", "virtio_blk", "xfs", "ext4", "jbd2")
ENTRY = f"boot/loader/entries/{MACHINE_ID}-{{}}.conf"
CASES: tuple[tuple[Shape, Break, str], ...] = (
    (EL7, remove("boot/vmlinuz-{}"), "KERNEL_MISSING"),
    (EL6, write("boot/vmlinuz-{}", b"MZ" * 600), "KERNEL_MISSING"),
    (EL9, remove("lib/modules/{}/modules.dep"), "KERNEL_MODULES"),
    (SLES11, remove("boot/initrd-{}"), "INITRD_MISSING"),
    (SLES15, write("boot/initrd-{}", b"070701 and nothing more"), "INITRD_CORRUPT"),
    (DEBIAN12, write("boot/initrd.img-{}", b"\x28\xb5\x2f\xfd"), "INITRD_CORRUPT"),
    (EL7, image_of(("ext4", "jbd2", "xfs")), "INITRD_NO_DRIVER"),
    (EL7, image_of(("virtio_blk", "virtio_pci", "xfs")), "INITRD_NO_DRIVER"),
    (EL7, image_of(DRIVERS, **{"etc__cmdline.d__20-root.conf": b" root=/dev/loop10\n"}), "INITRD_STALE"),
    (EL9, image_of(DRIVERS, **{"etc__cmdline.d__90lvm.conf": b" rd.lvm.lv=almalinux/root \n"}), "INITRD_STALE"),
    (EL7, edit("boot/grub2/grub.cfg", "root=UUID=4", "root=UUID=9"), "ROOT_UNRESOLVED"),
    (EL6, edit("boot/grub/grub.conf", "root=UUID=4", "root=UUID=9"), "ROOT_UNRESOLVED"),
    (EL9, edit(ENTRY, "root=UUID=4", "root=UUID=9"), "ROOT_UNRESOLVED"),
    (EL8, write("boot/grub2/grubenv", environment(kernelopts="root=/dev/mapper/rl-root").encode()), "GRUBENV_BAD"),
    (EL8, write("boot/grub2/grubenv", b"short"), "GRUBENV_BAD"),
    (EL7, edit("boot/grub2/grub.cfg", "set=root b007", "set=root dead"), "GRUB_UUID_UNKNOWN"),
    (EL7, edit("boot/grub2/grub.cfg", "linux16", "echo"), "GRUB_ENTRY_MISSING"),
    (AMAZON1, edit("boot/grub/menu.lst", "default=0", "default=7"), "GRUB_ENTRY_MISSING"),
    (SLES11, edit("boot/grub/menu.lst", "(hd0,0)", "(hd0,5)"), "GRUB_DEVICE"),
    (EL7, edit("boot/grub2/grub.cfg", "linux16", "linuxefi"), "GRUB_FIRMWARE"),
    (EL7_UEFI, edit("boot/efi/EFI/redhat/grub.cfg", "linuxefi", "linux16"), "GRUB_FIRMWARE"),
    (EL7_UEFI, remove("boot/efi/EFI/BOOT/grubx64.efi"), "ESP_FALLBACK"),
    (EL7, edit("etc/fstab", "UUID=4", "UUID=9"), "FSTAB_UNRESOLVED"),
)


@pytest.mark.parametrize(
    ("shape", "change", "code"),
    CASES,
    ids=[f"{number}-{code}-{shape.name}" for number, (shape, _, code) in enumerate(CASES)],
)
def test_system_that_would_not_start_is_found_out(shape: Shape, change: Break, code: str, tmp_path: Path) -> None:
    run = FixtureRun(shape, tmp_path)
    run.adapt()
    assert found(run) == set()
    change(run.root, shape)
    assert code in found(run)


def with_volume(given: Inputs, kind: str, uuid: str = "") -> Inputs:
    """The target with one more thing of this kind on its disks."""
    last: TargetVolume = given.references.volumes[-1]
    more = replace(last, file_system=FileSystem(kind=kind, uuid=uuid))
    given.references.volumes = (*given.references.volumes, more)
    return given


def test_filter_of_lvm_and_unknown_array_are_found_where_the_target_has_such_things(tmp_path: Path) -> None:
    run = FixtureRun(EL9, tmp_path)
    assert "LVM_FILTER" not in found(run)
    assert "LVM_FILTER" in found(run, with_volume(run.inputs(), "lvm2_member"))
    (run.root / "etc/mdadm.conf").write_text("ARRAY /dev/md0 metadata=1.2 UUID=11:22:33:44\n")
    assert "MD_UNRESOLVED" not in found(run)
    assert "MD_UNRESOLVED" in found(run, with_volume(run.inputs(), "linux_raid_member", "aa:bb"))
    assert "MD_UNRESOLVED" not in found(run, with_volume(run.inputs(), "linux_raid_member", "11223344"))


def test_kernel_for_xen_guests_alone_is_refused(tmp_path: Path) -> None:
    xen = replace(SLES11, release="3.0.101-63-xen")
    report = FixtureRun(xen, tmp_path).adapt()
    assert report.failure is not None
    assert report.failure.code == "SMS.ADAPT.KERNEL_XEN_ONLY"


def test_old_programs_are_not_run_where_their_calls_would_kill_them(tmp_path: Path) -> None:
    run = FixtureRun(EL6, tmp_path)
    tree = Tree(run.root)

    given = replace(run.inputs(), has_vsyscall=False)
    result = plan_initramfs(tree, given, installed_kernels(tree), detect_system(tree))
    tree.close()
    assert [(check.id, check.severity) for check in result.checks] == [("VSYSCALL", "W")]
    assert len(result.changes) == 1


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
def test_image_of_every_compression_is_read_through_all_its_archives(compression: str) -> None:
    members = {"init": b"#!/bin/sh\n", "etc/cmdline.d/root.conf": b"root=UUID=1", "big": bytes(range(256)) * 5000}
    image = appended(initrd(members, compression, microcode=True), {"lib/modules/6/virtio_blk.ko": b"module"})
    content = read_image(image, lambda name: name.startswith("etc/"))
    assert {"kernel/x86/microcode/GenuineIntel.bin", *members, "lib/modules/6/virtio_blk.ko"} <= content.names
    assert content.files == {"etc/cmdline.d/root.conf": b"root=UUID=1"}
    for cut in (len(image) // 2, 200):
        with pytest.raises(InitramfsError):
            names_in_image(image[:cut])


def test_stages_of_old_grub_are_told_where_they_and_the_menu_are() -> None:
    stage = bytes(512) + bytes(0x12) + b"0.97\0\xff\xff\xff\xff/boot/grub/stage2\0" + bytes(700)
    middle = told(stage, 3, "/grub/stage2", is_stage2=False)
    assert middle is not None
    assert middle[520:524] == b"\xff\xff\x02\x00"
    # The partition that it reads stage2 from, on the drive that it was started from: it looks nowhere else for it.
    assert b"0.97\0\xff\xff\x02\xff/grub/stage2\0" in middle
    placed = embedded(middle)
    assert len(placed) % 512 == 0
    assert placed[504:512] == b"\x02\0\0\0\x02\0\x20\x02"
    first = first_sector(bytes(512))
    assert (first[0x40], first[0x44:0x48], first[0x48:0x4D]) == (0xFF, b"\x01\0\0\0", b"\x00\x02\0\x90\x90")
    assert told(b"\0" * 2000, 1, "/grub/stage2", is_stage2=False) is None
