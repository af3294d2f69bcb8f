"""A FAT file system is copied, synced and verified although this kernel cannot mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_kit import Pair

from agents.target.disks.fat import FatFolder
from agents.target.disks.format import make_file_system
from contracts.inventory import FileSystem

pytestmark = pytest.mark.root
ESP = FileSystem(kind="vfat", uuid="0BAD-CAFE", size_bytes=48 << 20, parameters={"fat_bits": "16"})


class Copied:
    def __init__(self, folder: Path) -> None:
        self.image, self.source = folder / "esp.img", folder / "source"
        self.folder = folder
        with self.image.open("wb") as file:
            file.truncate(ESP.size_bytes)
        make_file_system(self.image, ESP, name="vda1", size_bytes=ESP.size_bytes)
        (self.source / "EFI/debian").mkdir(parents=True)
        (self.source / "EFI/debian/grubx64.efi").write_bytes(os.urandom(2_600_000))
        (self.source / "EFI/debian/grub.cfg").write_text("configfile\n")
        (self.source / "startup.nsh").write_text("old")
        self.fat = FatFolder(self.image, ESP, folder / "fat", name="vda1")
        volumes = {0: (self.source, self.fat.open(), "/boot/efi")}
        self.pair = Pair(folder, volumes, backings={0: self.fat})

    def on_disk(self) -> dict[str, bytes]:
        root = FatFolder(self.image, ESP, self.folder / "look", name="vda1")
        root.open()
        root.reload()
        return {str(p.relative_to(root.path)): p.read_bytes() for p in root.path.rglob("*") if p.is_file()}

    def on_source(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.source)): p.read_bytes() for p in self.source.rglob("*") if p.is_file()}


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Copied]:
    made = Copied(tmp_path)
    made.pair.source.copy()
    yield made
    made.pair.close()


def test_what_is_acknowledged_as_durable_is_in_the_file_system(copied: Copied) -> None:
    assert copied.on_disk() == copied.on_source()


def test_sync_round_reaches_the_file_system(copied: Copied) -> None:
    (copied.source / "EFI/debian/grub.cfg").write_text("changed\n")
    (copied.source / "startup.nsh").unlink()
    (copied.source / "EFI/BOOT").mkdir()
    (copied.source / "EFI/BOOT/BOOTX64.EFI").write_bytes(os.urandom(70_000))
    copied.pair.source.sync(1)
    assert copied.on_disk() == copied.on_source()


def test_copy_without_owner_and_mode_is_verified_as_equal(copied: Copied) -> None:
    for path in copied.source.rglob("*"):
        os.chmod(path, 0o700)
        os.chown(path, 1000, 1000)
    copied.pair.source.sync(1)
    report = copied.pair.source.verify()
    assert report.is_equal, report


def test_bit_that_is_flipped_in_the_file_system_is_found(copied: Copied) -> None:
    content = (copied.source / "EFI/debian/grubx64.efi").read_bytes()
    # Wherever it lies: earlier stores have left copies in clusters that are free now.
    flipped = bytes([content[0] ^ 4]) + content[1:512]
    copied.image.write_bytes(copied.image.read_bytes().replace(content[:512], flipped))
    report = copied.pair.source.verify()
    assert {item.path: item.what for item in report.different_paths} == {
        "/boot/efi/EFI/debian/grubx64.efi": ("contents",)
    }
    environment = os.environ | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    assert subprocess.run(["fsck.vfat", "-n", copied.image], capture_output=True, env=environment).returncode == 0
