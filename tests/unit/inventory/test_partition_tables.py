"""Partition tables read by us say what sfdisk wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.source.inventory.partition_tables import PartitionTable, read_partition_table
from agents.source.inventory.volume_reader import open_volume

from .conftest import run

Image = Callable[..., Path]
MBR = """label: dos
label-id: 0xdeadbeef
start=2048, size=20480, type=83, bootable
start=22528, size=2048, type=82
start=24576, size=61440, type=f
start=26624, size=8192, type=83
start=36864, size=8192, type=8e
start=49152, size=8192, type=fd
start=90112, size=8192, type=ef
"""
GPT = """label: gpt
label-id: 6D3B2D2C-0E9F-4B54-A4C4-6B3E8C6E8A01
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
start=4096, size=20480, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI System"
4: start=24576, size=40960, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root ü", attrs="LegacyBIOSBootable GUID:63"
"""


def table_of(path: Path) -> PartitionTable:
    with open_volume(path) as disk:
        return read_partition_table(disk)


def sfdisk_table(path: Path) -> dict[str, object]:
    table: dict[str, object] = json.loads(run("sfdisk", "--json", path))["partitiontable"]
    return table


@pytest.mark.parametrize(("script", "kind"), [(MBR, "mbr"), (GPT, "gpt")])
def test_table_agrees_with_sfdisk(image: Image, script: str, kind: str) -> None:
    path = image("disk.img", 64)
    run("sfdisk", "-q", path, text=script)
    found, known = table_of(path), sfdisk_table(path)
    assert found.kind == kind
    assert found.identifier == str(known["id"]).lower().removeprefix("0x")
    listed = known["partitions"]
    assert isinstance(listed, list)
    assert [
        (f"{path}{entry.number}", entry.start_bytes // 512, entry.size_bytes // 512) for entry in found.partitions
    ] == [(entry["node"], entry["start"], entry["size"]) for entry in listed]
    assert [entry.type_id.lower() for entry in found.partitions] == [entry["type"].lower().zfill(2) for entry in listed]


def test_logical_partitions_are_told_from_primary_ones(image: Image) -> None:
    path = image("disk.img", 64)
    run("sfdisk", "-q", path, text=MBR)
    found = table_of(path).partitions
    assert [(entry.number, entry.kind) for entry in found] == [
        (1, "primary"),
        (2, "primary"),
        (3, "extended"),
        (4, "primary"),
        (5, "logical"),
        (6, "logical"),
        (7, "logical"),
    ]
    assert [entry.number for entry in found if entry.is_active] == [1]
    assert [entry.part_uuid for entry in found][-1] == "deadbeef-07"


def test_gpt_is_read_from_its_backup_when_the_first_copy_is_damaged(image: Image) -> None:
    path = image("disk.img", 64)
    run("sfdisk", "-q", path, text=GPT)
    whole = table_of(path)
    with path.open("r+b") as file:
        file.seek(512)
        file.write(bytes(512))
    assert table_of(path) == whole
    assert whole.partitions[2].label == "root ü"
    assert whole.partitions[2].attributes == 1 << 2 | 1 << 63


def test_chain_of_logical_partitions_that_bites_its_tail_ends(image: Image) -> None:
    path = image("disk.img", 64)
    run("sfdisk", "-q", path, text=MBR)
    first_link = 24576 * 512 + 446 + 16
    with path.open("r+b") as file:
        file.seek(first_link)
        file.write(bytes([0, 0, 0, 0, 5, 0, 0, 0]) + (0).to_bytes(4, "little") + (2048).to_bytes(4, "little"))
    assert [entry.number for entry in table_of(path).partitions if entry.kind == "logical"] == [5]


def test_boot_sector_of_a_file_system_is_no_partition_table(image: Image) -> None:
    path = image("fat.img", 64)
    run("mkfs.vfat", "-F", "32", path)
    assert table_of(path).partitions == ()


@given(sector=st.binary(min_size=66, max_size=66))
def test_random_tables_never_end_in_an_exception(tmp_path_factory: pytest.TempPathFactory, sector: bytes) -> None:
    path = tmp_path_factory.mktemp("random") / "disk"
    path.write_bytes((bytes(446) + sector[:64] + b"\x55\xaa") * 64)
    table = table_of(path)
    assert len(table.partitions) <= 4 + 4 * 256
    path.unlink()
