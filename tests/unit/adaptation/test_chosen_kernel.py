"""A newest kernel that cannot drive the target's disks is passed over, in every kind of boot menu."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.menus import read_menu
from agents.target.adaptation.system import detect_system
from agents.target.adaptation.tree import Tree
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.boot_files import kernel_image, module_files
from tests.unit.adaptation.trees.debian import DEBIAN12
from tests.unit.adaptation.trees.redhat import EL6, EL7, EL8, EL9, MACHINE_ID
from tests.unit.adaptation.trees.shape import Shape


def newer(shape: Shape) -> str:
    """A release after the shape's."""
    return shape.release.replace("-", "-9", 1)


def with_newer_kernel(shape: Shape) -> Shape:
    """The shape with another kernel, that starts by default and has no driver for virtio."""
    release = newer(shape)
    files = dict(shape.files)
    for path, text in shape.files.items():
        is_menu = path.endswith(("grub.cfg", "grub.conf"))
        if is_menu and isinstance(text, str) and shape.release in text:
            word = "title " if path.endswith("grub.conf") else "menuentry "
            head, separator, entry = text.partition(word)
            other = f"{separator}{entry.partition('### END')[0]}".replace(shape.release, release)
            files[path] = f"{head}{other}{separator}{entry}"
        if path.endswith(f"{shape.release}.conf") and isinstance(text, str):
            files[path.replace(shape.release, release)] = text.replace(shape.release, release)
    modules = module_files(release, suffix=shape.module_suffix, names=("ext4", "jbd2", "sd_mod"))
    files |= {f"/boot/vmlinuz-{release}": kernel_image(), f"/boot/{shape.initrd_name.format(release)}": b"", **modules}
    return replace(shape, files=files)


@pytest.mark.parametrize("shape", [EL6, EL7, EL8, EL9, DEBIAN12], ids=lambda shape: shape.name)
def test_kernel_with_drivers_is_the_default_afterwards(shape: Shape, tmp_path: Path) -> None:
    run = FixtureRun(with_newer_kernel(shape), tmp_path)
    if shape is DEBIAN12:
        # Its menu is made by a program that the tree has a stand-in for, from the setting below.
        run.adapt()
        assert f"gnulinux-{shape.release}-advanced-" in run.text("/etc/default/grub.d/99-sms-adapt.cfg")
        return
    report = run.adapt()
    assert report.facts["kernel"] == shape.release
    assert report.verdict == "passed", report.failure
    tree = Tree(run.root)
    entry = read_menu(tree, detect_system(tree)).entry
    tree.close()
    assert entry is not None
    assert entry.kernel.endswith(f"-{shape.release}")
    assert run.adapt(name="again").changes == ()


def test_rescue_entry_of_a_machine_is_never_chosen(tmp_path: Path) -> None:
    run = FixtureRun(EL8, tmp_path)
    rescue = run.root / f"boot/vmlinuz-0-rescue-{MACHINE_ID}"
    rescue.write_bytes(kernel_image())
    (run.root / f"lib/modules/0-rescue-{MACHINE_ID}").mkdir()
    assert run.adapt().facts["kernels"] == EL8.release
