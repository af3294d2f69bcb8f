"""A FAT file system is copied, synced and verified although this kernel cannot mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_kit import Pair

from agents.source.inventory.superblocks import recognise
from agents.source.inventory.volume_reader import open_volume
from agents.target.disks.fat import FatFolder
from agents.target.disks.format import make_file_system
from contracts.errors import MigrationError
from contracts.inventory import FileSystem

pytestmark = pytest.mark.root
ESP = FileSystem(kind="vfat", uuid="0BAD-CAFE", size_bytes=48 << 20, parameters={"fat_bits": "16"})


class Copied:
    def __init__(self, folder: Path, esp: FileSystem = ESP) -> None:
        self.image, self.source = folder / "esp.img", folder / "source"
        self.folder, self.esp = folder, esp
        with self.image.open("wb") as file:
            file.truncate(esp.size_bytes)
        make_file_system(self.image, esp, name="vda1", size_bytes=esp.size_bytes)
        (self.source / "EFI/debian").mkdir(parents=True)
        (self.source / "EFI/debian/grubx64.efi").write_bytes(os.urandom(2_600_000))
        (self.source / "EFI/debian/grub.cfg").write_text("configfile\n")
        (self.source / "startup.nsh").write_text("old")
        self.fat = FatFolder(self.image, esp, folder / "fat", name="vda1")
        volumes = {0: (self.source, self.fat.open(), "/boot/efi")}
        self.pair = Pair(folder, volumes, backings={0: self.fat})

    def on_disk(self) -> dict[str, bytes]:
        root = FatFolder(self.image, self.esp, self.folder / "look", name="vda1")
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


# What a FAT can hold, by its long names: 255 units of UTF-16, and none of " * / : < > ? \\ |.
ODD_NAMES = (
    *("lower.txt", "UPPER.TXT", "MiXed.TxT", ".hidden", "no extension", "many.dots.in.it", "~tilde~1.txt"),
    *("-rf", "--help", "#{}!$%&'()-@^_`~.txt", "a+b,c;d=e[f].txt", "[brackets]", "日本語.efi"),
    *("n" * 255, "ü" * 127, "a" * 8 + "." + "b" * 3, "a" * 9 + ".txt"),
)
# mtools writes them otherwise: short names that are not ASCII, and what UTF-16 has in two units.
CHANGED_NAMES = ("üñï.txt", "𝄞.txt")


@pytest.mark.parametrize(
    ("bits", "size_mib", "made_bits"), [("12", 8, "12"), ("16", 48, "16"), ("32", 64, "32"), ("32", 24, "16")]
)
def test_odd_names_and_sizes_are_kept_on_every_fat(tmp_path: Path, bits: str, size_mib: int, made_bits: str) -> None:
    """A FAT32 of fewer clusters than it must have, which Linux makes and reads, becomes one that has enough."""
    esp = FileSystem(
        kind="vfat",
        uuid="0BAD-CAFE",
        label="ESP",
        size_bytes=size_mib << 20,
        parameters={"fat_bits": bits, "cluster_size": "4096" if bits == "12" else "1024"},
    )
    copied = Copied(tmp_path, esp)
    odd = copied.source / "odd"
    odd.mkdir()
    for name in ODD_NAMES:
        (odd / name).write_text(name)
    for size in (0, 1, 511, 512, 1023, 1024, 1025, 4096, 1_100_000):
        (odd / f"size-{size}").write_bytes(os.urandom(size))
    deep = odd
    for level in range(20):
        deep = deep / f"folder {level}"
        deep.mkdir()
    (deep / "bottom").write_text("bottom")
    many = copied.source / "many"
    many.mkdir()
    for number in range(300):
        (many / f"A long name that needs several entries, number {number}.txt").write_text(str(number))
    try:
        copied.pair.source.copy()
        assert copied.on_disk() == copied.on_source()
        (odd / "lower.txt").rename(odd / "lowered.txt")
        (odd / "n".ljust(255, "n")).unlink()
        copied.pair.source.sync(1)
        assert copied.on_disk() == copied.on_source()
        report = copied.pair.source.verify()
        assert report.is_equal, report
        with open_volume(copied.image) as volume:
            made = recognise(volume)
        assert made is not None
        assert (made.uuid, made.label, made.parameters["fat_bits"]) == ("0BAD-CAFE", "ESP", made_bits)
    finally:
        copied.pair.close()
    environment = os.environ | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    assert subprocess.run(["fsck.vfat", "-n", copied.image], capture_output=True, env=environment).returncode == 0


def test_name_that_mtools_changes_is_named_by_the_verification(copied: Copied) -> None:
    for name in CHANGED_NAMES:
        (copied.source / name).write_text(name)
    copied.pair.source.sync(1)
    report = copied.pair.source.verify()
    assert set(report.missing_paths) == {f"/boot/efi/{name}" for name in CHANGED_NAMES}
    assert len(report.extra_paths) == len(CHANGED_NAMES)


def test_reserved_name_ends_the_round_with_its_code(copied: Copied) -> None:
    (copied.source / "aux").write_text("a device of DOS")
    with pytest.raises(MigrationError) as caught:
        copied.pair.source.sync(1)
    assert caught.value.code == "SMS.DISK.PROGRAM_FAILED"
    (copied.source / "aux").unlink()
    copied.pair.source.sync(2)
    assert copied.on_disk() == copied.on_source()


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
