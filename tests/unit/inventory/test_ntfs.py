"""NTFS read by us says what ntfs-3g wrote; what was tampered with ends in NtfsError, soon."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.source.inventory.volume_reader import open_volume
from agents.source.inventory.windows.hive import Hive, HiveError, Key
from agents.source.inventory.windows.system_partition import read_fat_file
from agents.source.ntfs import NtfsError, NtfsVolume
from agents.source.ntfs.records import ATTRIBUTE_LIST, DATA, decode_runs

from .conftest import run
from .windows_kit import hive, make_ntfs, ntfs_mounted


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A volume with everything that its reader must know, and what is in its files."""
    folder = tmp_path_factory.mktemp("ntfs")
    path = make_ntfs(folder / "volume", 96, "-c", "1024", "-L", "Wîndows")
    contents = {"/Folder/Big.bin": random.Random(1).randbytes(3 << 20), "/tiny": b"resident", "/empty": b""}
    contents |= {f"/many/a file with a long name {number:04}": str(number).encode() for number in range(1500)}
    with ntfs_mounted(path, folder / "m") as root:
        for name, data in contents.items():
            (root / name[1:]).parent.mkdir(exist_ok=True)
            (root / name[1:]).write_bytes(data)
        with (root / "holes").open("wb") as file:
            file.seek(5 << 20)
            file.write(b"end")
        contents["/holes"] = bytes(5 << 20) + b"end"
        packed = root / "packed"
        packed.mkdir()
        run("setfattr", "-n", "system.ntfs_attrib", "-v", "0x00080000", packed)
        (packed / "text").write_bytes(b"compressible " * 100_000)
        figures = run("stat", "-f", "-c", "%f %S", root).split()
    contents["free"] = str(int(figures[0]) * int(figures[1])).encode()
    return path, contents


def test_files_folders_and_free_space_agree_with_ntfs_3g(written: tuple[Path, dict[str, bytes]]) -> None:
    path, contents = written
    with open_volume(path) as reader:
        volume = NtfsVolume(reader)
        assert volume.label == "Wîndows"
        assert volume.free_bytes() == int(contents["free"])
        assert not volume.is_dirty
        for name in ("/Folder/Big.bin", "/tiny", "/empty", "/holes"):
            found = volume.find(name.upper())
            assert found is not None
            assert found.size_bytes == len(contents[name])
            assert found.read_all() == contents[name], name
        many = volume.find("/many")
        assert many is not None
        read = {f"/many/{entry.name}": volume.file(entry.number).read_all() for entry in volume.entries(many)}
        assert read == {name: data for name, data in contents.items() if name.startswith("/many/")}
        assert volume.find("/many/no such file") is None
        assert volume.find("/tiny/below a file") is None
        assert volume.encrypted_files() == 0


def test_a_file_in_pieces_is_in_several_records_and_read_from_any_place(tmp_path: Path) -> None:
    path, content = make_ntfs(tmp_path / "volume", 24, "-c", "1024"), random.Random(2).randbytes(4 << 20)
    with ntfs_mounted(path, tmp_path / "m") as root:
        # The volume is filled with small files, and every second one makes room.
        number = 0
        with suppress(OSError):
            for number in range(10_000):
                (root / f"filler{number}").write_bytes(b"f" * 3000)
        for each in range(0, number - 1, 2):
            (root / f"filler{each}").unlink()
        (root / "pieces").write_bytes(content)
    with open_volume(path) as reader:
        found = NtfsVolume(reader).find("/pieces")
        assert found is not None
        data = found.stream(DATA)
        assert data is not None
        assert len(data.runs) > 200
        assert found.stream(ATTRIBUTE_LIST) is not None
        assert found.read_all() == content
        choose = random.Random(3)
        for _ in range(200):
            at, length = choose.randrange(4 << 20), choose.randrange(70_000)
            assert found.read(at, length) == content[at : at + length]


def test_compressed_contents_are_refused_and_not_given_out_as_they_lie(
    written: tuple[Path, dict[str, bytes]],
) -> None:
    with open_volume(written[0]) as reader:
        found = NtfsVolume(reader).find("/packed/text")
        assert found is not None
        with pytest.raises(NtfsError, match="compressed"):
            found.read_all()


def test_the_encrypting_file_system_is_seen(written: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    path = make_ntfs(tmp_path / "efs", 16)
    with ntfs_mounted(path, tmp_path / "m") as root:
        (root / "secret").write_bytes(b"s" * 5000)
    raw = path.read_bytes()
    with open_volume(path) as reader:
        volume = NtfsVolume(reader)
        found = volume.find("/secret")
        assert found is not None
        place = volume.geometry.mft_cluster * volume.geometry.cluster_size + found.number * 1024
    record = bytearray(raw[place : place + 1024])
    assert record[:4] == b"FILE"
    standard = int.from_bytes(record[20:22], "little")
    record[standard + 24 + 33] |= 0x40
    with path.open("r+b") as file:
        file.seek(place)
        file.write(record)
    with open_volume(path) as reader:
        volume = NtfsVolume(reader)
        again = volume.find("/secret")
        assert again is not None
        assert again.is_encrypted
        assert volume.encrypted_files() == 1


def test_a_record_that_was_written_in_part_is_refused(tmp_path: Path) -> None:
    path = make_ntfs(tmp_path / "torn", 16)
    with open_volume(path) as reader:
        geometry = NtfsVolume(reader).geometry
    with path.open("r+b") as file:
        file.seek(geometry.mft_cluster * geometry.cluster_size + 510)
        file.write(b"\xde\xad")
    with open_volume(path) as reader, pytest.raises(NtfsError, match="torn"):
        NtfsVolume(reader)


def walk(volume: NtfsVolume) -> None:
    assert len(volume.label) < 1 << 16
    root = volume.find("/")
    assert root is not None
    for entry in list(volume.entries(root))[:200]:
        file = volume.file(entry.number)
        if not file.is_folder and file.size_bytes < 8 << 20:
            file.read_all()
    assert volume.free_bytes() >= 0
    volume.encrypted_files()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    folder = tmp_path_factory.mktemp("small")
    path = make_ntfs(folder / "volume", 4)
    with ntfs_mounted(path, folder / "m") as root:
        for number in range(60):
            (root / f"file {number:03}").write_bytes(b"x" * number * 40)
    with open_volume(path) as reader:
        geometry = NtfsVolume(reader).geometry
    return path.read_bytes(), geometry.mft_cluster * geometry.cluster_size


@given(changes=st.lists(st.tuples(st.integers(0, 160 * 1024), st.integers(0, 255)), max_size=12), seed=st.integers())
def test_mutated_volumes_end_in_an_error_or_an_answer(
    small: tuple[bytes, int], tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], seed: int
) -> None:
    image, mft = small
    data, choose = bytearray(image), random.Random(seed)
    for at, byte in changes:
        # Half of them in the boot sector and in fields of records, where they do most.
        place = (
            mft + at
            if seed % 2
            else choose.choice((choose.randrange(90), mft + 1024 * choose.randrange(64) + at % 512))
        )
        if place < len(data):
            data[place] = byte
    path = tmp_path_factory.mktemp("mutated") / "volume"
    path.write_bytes(data)
    with open_volume(path) as reader, suppress(NtfsError):
        walk(NtfsVolume(reader))
    path.unlink()


@given(st.binary(max_size=64))
def test_run_lists_of_any_bytes_end(raw: bytes) -> None:
    try:
        runs = list(decode_runs(raw))
    except NtfsError:
        return
    assert all(run.length > 0 and (run.start is None or run.start >= 0) for run in runs)


def test_a_hive_agrees_with_hivex(tmp_path: Path) -> None:
    path = hive(
        tmp_path / "hive",
        {
            "A\\B": {"text": "string:words", "number": "dword:4294967295", "": "hex:3:01,02,03"},
            **{f"Many\\key{number:03}": {"n": f"dword:{number}"} for number in range(300)},
            "Large": {"value": "hex:3:" + ",".join(["5a"] * 1000)},
        },
    )
    found = opened(path.read_bytes())
    listed = run("hivexsh", path, text="cd \\Many\nls\nquit\n").split()
    many = found.root.find("many")
    assert many is not None
    assert sorted(key.name for key in many.children()) == sorted(listed)
    assert [(found.root.find(f"MANY\\key{number:03}") or many).number("N") for number in (0, 299)] == [0, 299]
    key = found.root.find("A\\B")
    assert key is not None
    assert (key.text("text"), key.number("number"), key.number("text"), key.text("number")) == (
        "words",
        0xFFFFFFFF,
        None,
        "",
    )
    large = found.root.find("Large")
    assert large is not None
    value = large.value("value")
    assert value is not None
    assert value.data() == b"\x5a" * 1000


def opened(data: bytes) -> Hive:
    return Hive(lambda offset, length: data[offset : offset + length])


def everything(key: Key, depth: int = 0) -> int:
    count = 1
    for value in key.values():
        value.texts()
        value.data()
    if depth < 8:
        for below in key.children():
            count += everything(below, depth + 1)
            if count > 2000:
                break
    return count


@pytest.fixture(scope="module")
def hive_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("hive") / "hive"
    keys = {f"Top\\key{number}": {"a": "string:b", "c": "dword:1"} for number in range(20)}
    return hive(path, keys).read_bytes()


@given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=20))
def test_mutated_hives_end_in_an_error_or_an_answer(hive_bytes: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(hive_bytes)
    for at, byte in changes:
        data[at % len(data)] = byte
    with suppress(HiveError):
        everything(opened(bytes(data)).root)


@pytest.mark.parametrize(("bits", "size_mib"), [("16", 32), ("32", 64)])
def test_a_file_of_a_system_partition_agrees_with_mtools(tmp_path: Path, bits: str, size_mib: int) -> None:
    path, content = tmp_path / "esp", random.Random(4).randbytes(300_000)
    with path.open("wb") as file:
        file.truncate(size_mib << 20)
    (tmp_path / "BCD").write_bytes(content)
    run("mkfs.vfat", "-F", bits, path)
    run("mmd", "-i", path, "::/EFI", "::/EFI/Microsoft", "::/EFI/a folder with a long name")
    run("mcopy", "-i", path, tmp_path / "BCD", "::/EFI/a folder with a long name/Boot Configuration.data")
    with open_volume(path) as reader:
        assert read_fat_file(reader, "/efi/A folder with a long name/boot configuration.DATA") == content
        assert read_fat_file(reader, "/EFI/Microsoft/BCD") is None
        assert read_fat_file(reader, "/EFI") is None
    assert re.search("BOOTCO", run("mdir", "-i", path, "::/EFI/a folder with a long name"))
