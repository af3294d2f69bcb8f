"""An image that an earlier launch built is used again only while all that its builder reads is the same."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.target.adaptation.build_memory import BuildMemory
from agents.target.adaptation.confinement import PlannedDevice
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.tree import Tree

COMMAND = ["/usr/sbin/mkinitramfs", "6.1.0-1"]
ROOT_DEVICE = PlannedDevice(name="loop3", number=1795, uuid="11111111-2222-3333-4444-555555555555")
MODULE = "usr/lib/modules/6.1.0-1/ext4.ko"


class Launches:
    """Launches of one task over one tree; each asks for the image once."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.kept = folder / "images"
        for path, content in {
            MODULE: "driver",
            "etc/fstab": "UUID=1 / ext4",
            "etc/initramfs-tools/modules": "virtio_blk\n",
            "boot/config-6.1.0-1": "CONFIG_EXT4_FS=m",
            "home/user/notes": "nothing for a builder",
        }.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(content)
        (self.root / "lib").symlink_to("usr/lib")
        self.builds = 0
        self.result = SandboxResult(status=0, output=b"image", messages="")

    def launch(self, command: list[str] | None = None, device: PlannedDevice = ROOT_DEVICE) -> SandboxResult:
        tree = Tree(self.root)
        try:
            return BuildMemory(self.kept, tree, [device]).built(command or COMMAND, self._build)
        finally:
            tree.close()

    def _build(self) -> SandboxResult:
        self.builds += 1
        return self.result


@pytest.fixture
def launches(tmp_path: Path) -> Launches:
    return Launches(tmp_path)


def rewrite_with_the_same_times(path: Path, content: str) -> None:
    before = path.stat()
    path.write_text(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_next_launch_has_the_image_without_building(launches: Launches) -> None:
    assert [launches.launch().output for _ in range(3)] == [b"image"] * 3
    assert launches.builds == 1


def test_what_a_launch_writes_anew_or_a_builder_does_not_read_changes_nothing(launches: Launches) -> None:
    launches.launch()
    settings = launches.root / "etc/fstab"
    text = settings.read_text()
    settings.unlink()
    settings.write_text(text)
    (launches.root / "home/user/notes").write_text("much later")
    (launches.root / "var/log").mkdir(parents=True)
    # Other nodes for the same volumes: which are free is up to the helper.
    other_node = PlannedDevice(name="loop5", number=1797, uuid=ROOT_DEVICE.uuid)
    assert launches.launch(device=other_node).output == b"image"
    assert launches.builds == 1


CHANGES: dict[str, Callable[[Path], object]] = {
    "a setting, with the size and times as before": lambda root: rewrite_with_the_same_times(
        root / "etc/fstab", "UUID=2 / ext4"
    ),
    "a driver, with the size and times as before": lambda root: rewrite_with_the_same_times(root / MODULE, "DRIVER"),
    "a new hook": lambda root: (root / "etc/initramfs-tools/hook").write_text(""),
    "a driver that went": lambda root: (root / MODULE).unlink(),
    "a mode": lambda root: (root / "etc/fstab").chmod(0o600),
    "a link that leads elsewhere": lambda root: ((root / "lib").unlink(), (root / "lib").symlink_to("usr/lib64")),
    "a folder": lambda root: (root / "etc/dracut.conf.d").mkdir(),
    "a kernel's settings": lambda root: (root / "boot/config-6.1.0-1").write_text("CONFIG_EXT4_FS=y"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_is_built_anew_when_something_has_changed(launches: Launches, what: str) -> None:
    launches.launch()
    CHANGES[what](launches.root)
    launches.result = SandboxResult(status=0, output=b"another image", messages="")
    assert launches.launch().output == b"another image"
    assert launches.builds == 2
    assert len(list(launches.kept.iterdir())) == 1


def test_another_command_or_volume_is_another_image(launches: Launches) -> None:
    launches.launch()
    launches.launch([*COMMAND, "--add", "lvm"])
    launches.launch(device=PlannedDevice(name="loop3", number=1795, uuid="another"))
    assert launches.builds == 3


@pytest.mark.parametrize(
    "result",
    [
        SandboxResult(status=1, output=b"half an image", messages="no room"),
        SandboxResult(status=0, output=b"", messages=""),
        SandboxResult(status=0, output=b"half an image", messages="", is_timeout=True),
    ],
)
def test_what_failed_is_tried_again(launches: Launches, result: SandboxResult) -> None:
    launches.result = result
    assert launches.launch() == result
    assert launches.launch() == result
    assert launches.builds == 2


def test_an_image_that_was_kept_in_part_is_built_again(launches: Launches) -> None:
    launches.launch()
    (kept,) = launches.kept.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert launches.launch().output == b"image"
    assert launches.builds == 2


def test_an_image_for_which_there_is_no_room_leaves_nothing_and_is_built_again(launches: Launches) -> None:
    launches.result = SandboxResult(status=0, output=bytes(1 << 16), messages="")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, limits[1]))
    try:
        assert launches.launch() == launches.launch() == launches.result
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert launches.builds == 2
    assert list(launches.kept.iterdir()) == []


def test_where_it_cannot_be_told_what_has_changed_it_is_built(launches: Launches) -> None:
    deep = os.open(launches.root / "etc", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    assert launches.launch().output == launches.launch().output == b"image"
    assert launches.builds == 2
    # Too deep for shutil as well.
    subprocess.run(["rm", "-rf", launches.root], check=True)
