"""Superblocks read by us say what the file systems' own tools say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.source.inventory.superblocks import recognise
from agents.source.inventory.volume_reader import open_volume
from contracts.inventory import FileSystem

from .conftest import run

Image = Callable[..., Path]
UUID = "11111111-2222-4333-8444-555555555555"


def read(path: Path) -> FileSystem:
    with open_volume(path) as volume:
        found = recognise(volume)
    assert found is not None
    return found


def blkid(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", run("blkid", "-p", "-o", "export", path), re.MULTILINE))


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ext2"),
        ("-t", "ext3", "-I", "128"),
        ("-t", "ext4", "-b", "4096", "-i", "65536"),
        ("-t", "ext4", "-O", "^64bit,^metadata_csum,project,quota,large_dir", "-b", "1024"),
        (
            "-t",
            "ext4",
            "-O",
            "casefold,encrypt,verity,metadata_csum_seed,ea_inode,bigalloc",
            "-E",
            "stride=16,stripe_width=64",
        ),
    ],
)
def test_ext_superblock_agrees_with_dumpe2fs_and_blkid(image: Image, options: tuple[str, ...]) -> None:
    path = image("ext.img", 64)
    run("mke2fs", "-q", "-F", "-U", UUID, "-L", "root fs", *options, path)
    found, listed = read(path), run("dumpe2fs", "-h", path)
    shown = {name: value.strip() for name, value in re.findall(r"^([^:\n]+):(.*)$", listed, re.MULTILINE)}
    assert (found.kind, found.uuid, found.label) == (blkid(path)["TYPE"], UUID, "root fs")
    assert set(found.features) == set(shown["Filesystem features"].split())
    assert found.block_size == int(shown["Block size"])
    assert found.size_bytes == int(shown["Block count"]) * found.block_size
    assert found.parameters["inode_size"] == shown["Inode size"]
    assert found.parameters.get("hash_seed", "") == shown.get("Directory Hash Seed", "")
    assert int(found.parameters["bytes_per_inode"]) == found.size_bytes // int(shown["Inode count"])
    assert int(found.parameters["reserved_blocks"]) == int(shown["Reserved block count"])
    assert found.parameters["errors_behavior"] == shown["Errors behavior"].lower()
    assert set(filter(None, found.parameters.get("default_mount_options", "").split(","))) == set(
        shown["Default mount options"].replace("(none)", "").split()
    )


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-m", "reflink=0,bigtime=0,inobtcount=0", "-i", "size=1024,sparse=0,nrext64=0", "-n", "size=8192"),
        ("-m", "rmapbt=1,inobtcount=1", "-s", "size=4096"),
        ("-m", "crc=0,finobt=0,rmapbt=0,reflink=0", "-n", "ftype=1", "-i", "projid32bit=0", "-l", "lazy-count=0"),
        ("-m", "crc=0,finobt=0,rmapbt=0,reflink=0", "-n", "ftype=0"),
    ],
)
def test_xfs_superblock_agrees_with_the_tool(image: Image, options: tuple[str, ...]) -> None:
    path = image("xfs.img", 320)
    shown = run("mkfs.xfs", "-f", "-q", "-L", "data", *options, path) + run("xfs_db", "-r", "-c", "info", path)
    found, known = read(path), blkid(path)
    values = dict(re.findall(r"([a-z0-9-]+)\s*=(\d+)", re.sub(r"(?s)\nlog .*|\nnaming.*", "", shown)))
    everything = dict(re.findall(r"([a-z0-9-]+)\s*=(\d+)", shown))
    assert (found.kind, found.uuid, found.label) == ("xfs", known["UUID"], "data")
    for switch in ("crc", "finobt", "sparse", "rmapbt", "reflink", "bigtime", "inobtcount", "nrext64", "projid32bit"):
        assert (switch in found.features) == (values[switch] == "1"), switch
    assert ("ftype" in found.features) == (everything["ftype"] == "1")
    assert ("lazy-count" in found.features) == (everything["lazy-count"] == "1")
    assert found.parameters["inode_size"] == everything["isize"]
    assert found.parameters["version"] == ("5" if values["crc"] == "1" else "4")
    assert found.block_size == 4096
    naming = re.search(r"naming\s+=version (\d)\s+bsize=(\d+)", shown)
    assert naming
    assert found.parameters["directory_block_size"] == naming.group(2)
    assert found.parameters["sector_size"] == everything["sectsz"]


@pytest.mark.parametrize("options", [(), ("-O", "^no-holes", "-R", "^free-space-tree", "-n", "32768"), ("--mixed",)])
def test_btrfs_superblock_agrees_with_dump_super(image: Image, options: tuple[str, ...]) -> None:
    path = image("btrfs.img", 128)
    run("mkfs.btrfs", "-q", "-U", UUID, "-L", "pool", *options, path)
    shown = run("btrfs", "inspect-internal", "dump-super", path)
    found = read(path)
    assert (found.kind, found.uuid, found.label) == ("btrfs", UUID, "pool")
    assert found.parameters["node_size"] == re.search(r"^nodesize\s+(\d+)", shown, re.MULTILINE)[1]  # type: ignore[index]
    assert found.size_bytes == 128 << 20
    assert ("no-holes" in found.features) == ("NO_HOLES" in shown)
    assert ("free-space-tree" in found.features) == ("FREE_SPACE_TREE" in shown)
    assert ("mixed-bg" in found.features) == ("MIXED_GROUPS" in shown)
    assert ("skinny-metadata" in found.features) == ("SKINNY_METADATA" in shown)


def test_swap_area_agrees_with_blkid(image: Image) -> None:
    path = image("swap.img", 16)
    run("mkswap", "-U", UUID, "-L", "swap0", path)
    found = read(path)
    assert (found.kind, found.uuid, found.label, found.size_bytes) == ("swap", UUID, "swap0", 16 << 20)


@pytest.mark.parametrize(("bits", "size_mib"), [(12, 4), (16, 32), (32, 64)])
def test_fat_agrees_with_blkid(image: Image, bits: int, size_mib: int) -> None:
    path = image("fat.img", size_mib)
    run("mkfs.vfat", "-F", str(bits), "-i", "1234ABCD", "-n", "EFI", path)
    found, known = read(path), blkid(path)
    assert (found.kind, found.uuid, found.label) == (known["TYPE"], known["UUID"], known["LABEL"])
    assert found.parameters["fat_bits"] == str(bits)
    assert known["VERSION"] == f"FAT{bits}"


def lvm_image(path: Path, metadata: str) -> None:
    label = bytearray(512)
    label[:8], label[20:24], label[24:32] = b"LABELONE", (32).to_bytes(4, "little"), b"LVM2 001"
    header = b"abcdefGHIJklmnOPQRstuvWXYZ012345" + (64 << 20).to_bytes(8, "little")
    pairs = ((1 << 20, 0), (0, 0), (4096, 1044480), (0, 0))
    header += b"".join(at.to_bytes(8, "little") + size.to_bytes(8, "little") for at, size in pairs)
    label[32 : 32 + len(header)] = header
    area = bytearray(512)
    area[4:20] = b" LVM2 x[5A%r0N*>"
    fields = ((20, 4, 1), (24, 8, 4096), (32, 8, 1044480), (40, 8, 1044480 - 100), (48, 8, len(metadata)))
    for offset, size, value in fields:
        area[offset : offset + size] = value.to_bytes(size, "little")
    with path.open("r+b") as file:
        file.seek(512)
        file.write(label)
        file.seek(4096)
        file.write(area)
        # The text begins 100 bytes before the end of its ring and goes on behind the header.
        file.seek(4096 + 1044480 - 100)
        file.write(metadata[:100].encode())
        file.seek(4096 + 512)
        file.write(metadata[100:].encode())


def test_thin_pool_with_tags_is_seen_in_lvm_metadata_that_wraps_around(image: Image) -> None:
    path = image("pv.img", 64)
    lvm_image(
        path,
        'vg0 {\nid = "x"\nseqno = 7\nlogical_volumes {\n root {\n tags = ["pool", "web"]\n segment1 {\n'
        ' type = "striped"\n }\n }\n p0 {\n segment1 {\n type = "thin-pool"\n }\n }\n }\n}\n',
    )
    found = read(path)
    assert (found.kind, found.uuid) == ("lvm2_member", "abcdef-GHIJ-klmn-OPQR-stuv-WXYZ-012345")
    assert found.parameters == {"volume_group": "vg0", "segment_types": "striped,thin-pool", "tags": "pool,web"}


def test_raid_member_wins_over_the_file_system_that_it_mirrors(image: Image) -> None:
    path = image("md.img", 64)
    run("mke2fs", "-q", "-F", "-t", "ext4", path)
    block = bytearray(256)
    block[:8] = (0xA92B4EFC).to_bytes(4, "little") + (1).to_bytes(4, "little")
    block[16:32], block[32:36], block[72], block[92] = bytes(range(16)), b"boot", 1, 2
    with path.open("r+b") as file:
        file.seek((64 << 20) - 8192)
        file.write(block)
    found = read(path)
    assert (found.kind, found.label) == ("linux_raid_member", "boot")
    assert found.parameters == {"version": "1.0", "level": "1", "devices": "2"}


@pytest.mark.parametrize(
    ("offset", "signature", "kind"),
    [
        (0, b"LUKS\xba\xbe\x00\x02", "crypto_luks"),
        (3, b"NTFS    ", "ntfs"),
        (3, b"-FVE-FS-", "bitlocker"),
        (1024, b"\x10\x20\xf5\xf2", "f2fs"),
    ],
)
def test_volumes_that_cannot_be_migrated_are_named(image: Image, offset: int, signature: bytes, kind: str) -> None:
    path = image("other.img", 8)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(signature)
    assert read(path).kind == kind


def test_empty_volume_holds_nothing(image: Image) -> None:
    with open_volume(image("empty.img", 4)) as volume:
        assert recognise(volume) is None


MAGICS = [
    (0x438, b"\x53\xef"),
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),
    (4086, b"SWAPSPACE2"),
    (510, b"\x55\xaa"),
    (512, b"LABELONE" + bytes(16) + b"LVM2 001"),
    (4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0"),
    (0, b"LUKS\xba\xbe\0\x02"),
    (3, b"NTFS    "),
]


@given(seed=st.binary(min_size=512, max_size=4096), magic=st.sampled_from(MAGICS))
def test_damaged_superblocks_never_end_in_an_exception(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, magic: tuple[int, bytes]
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "volume"
    data = bytearray((seed * (72 * 1024 // len(seed) + 1))[: 72 * 1024])
    data[magic[0] : magic[0] + len(magic[1])] = magic[1]
    path.write_bytes(data)
    with open_volume(path) as volume:
        found = recognise(volume)
    path.unlink()
    if found is not None:
        assert FileSystem.model_validate_json(found.model_dump_json()) == found
