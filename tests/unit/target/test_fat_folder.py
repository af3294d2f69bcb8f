"""A FAT file system is read and written without any driver of the kernel: real mkfs.vfat, mtools and fsck.vfat."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agents.source.inventory.superblocks import recognise
from agents.source.inventory.volume_reader import open_volume
from agents.target.disks.fat import FatFolder
from agents.target.disks.format import make_file_system
from contracts.errors import MigrationError
from contracts.inventory import FileSystem

ESP = FileSystem(
    kind="vfat",
    uuid="ABCD-1234",
    label="ESP",
    size_bytes=64 << 20,
    block_size=512,
    parameters={"fat_bits": "32", "sector_size": "512", "cluster_size": "512"},
)
ENVIRONMENT = os.environ | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "esp.img"
    with path.open("wb") as file:
        file.truncate(ESP.size_bytes)
    make_file_system(path, ESP, name="vda1", size_bytes=ESP.size_bytes)
    return path


def folder_of(image: Path, name: str = "fat") -> FatFolder:
    return FatFolder(image, ESP, image.parent / name, name="vda1")


def fill(root: Path) -> dict[str, bytes]:
    files = {
        "EFI/debian/shimx64.efi": os.urandom(900_001),
        "EFI/debian/grub.cfg": b"search.fs_uuid 1 root\n",
        "EFI/BOOT/BOOTX64.EFI": os.urandom(65_536),
        "a name that is long, with blanks and Ünïcode.txt": b"x",
        "EFI/empty": b"",
        "-begins with a dash": b"not an option",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "EFI/folder without files").mkdir()
    return files


def test_files_come_back_as_they_were_stored(image: Path) -> None:
    first = folder_of(image)
    files = fill(first.open())
    first.close()
    again = folder_of(image, "again").open()
    found = {str(path.relative_to(again)): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert found == files
    assert (again / "EFI/folder without files").is_dir()
    done = subprocess.run(["fsck.vfat", "-n", str(image)], capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout


def test_identity_of_the_file_system_outlives_every_store(image: Path) -> None:
    for number in range(2):
        folder = folder_of(image)
        (folder.open() / f"file{number}").write_text("x")
        folder.close()
        with open_volume(image) as volume:
            found = recognise(volume)
        assert found is not None
        assert (found.kind, found.uuid, found.label, found.parameters) == ("vfat", ESP.uuid, ESP.label, ESP.parameters)
    assert sorted(os.listdir(folder_of(image).open())) == ["file0", "file1"]


def test_folder_of_a_killed_process_is_gone_on_with(image: Path) -> None:
    killed = folder_of(image)
    fill(killed.open())
    after = folder_of(image)
    assert (after.open() / "EFI/debian/grub.cfg").is_file()
    after.store()
    assert (folder_of(image, "other").open() / "EFI/debian/grub.cfg").is_file()


def test_reload_shows_what_is_on_the_disk(image: Path) -> None:
    folder = folder_of(image)
    root = folder.open()
    (root / "kept").write_text("stored")
    folder.store()
    (root / "kept").write_text("never stored")
    (root / "lost").write_text("never stored")
    folder.reload()
    assert sorted(os.listdir(root)) == ["kept"]
    assert (root / "kept").read_text() == "stored"


def test_what_does_not_belong_to_the_file_system_is_not_stored(image: Path) -> None:
    folder = folder_of(image)
    root = folder.open()
    (root / ".staging").mkdir()
    (root / "file").write_text("x")
    folder.store(without=b".staging")
    assert os.listdir(folder_of(image, "other").open()) == ["file"]


def test_files_that_do_not_fit_are_an_error_with_the_programs_words(image: Path) -> None:
    folder = folder_of(image)
    with (folder.open() / "large").open("wb") as file:
        file.truncate(ESP.size_bytes)
    with pytest.raises(MigrationError) as refused:
        folder.store()
    assert refused.value.code == "SMS.DISK.PROGRAM_FAILED"
    assert "mcopy" in refused.value.failure.cause
