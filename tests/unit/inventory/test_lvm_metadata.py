"""LVM2's descriptions read by us say what LVM's own tools say, thin pools and all; damaged ones end in nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agents.source.inventory.block_devices import image_disk
from agents.source.inventory.disks import read_disk
from agents.source.inventory.lvm_metadata import volume_groups
from agents.source.inventory.stacked import read_volume_groups

from .conftest import run

Image = Callable[..., Path]
# No device-mapper is needed to write a description, but to make what it describes.
LVM = ("--config", 'devices { filter = ["a|^/dev/loop|", "r|.*|"] use_devicesfile = 0 } global { use_lvmpolld = 0 }')


def segment(kind: str, extents: int, more: str) -> str:
    return f'segment1 {{ start_extent = 0 extent_count = {extents} type = "{kind}" {more} }}'


def volume(name: str, number: int, status: str, inside: str) -> str:
    identifier = f"AAAAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG{number:02}"
    return f'{name} {{ id = "{identifier}" status = [{status}] flags = [] segment_count = 1 {inside} }}\n'


VOLUMES = (
    "logical_volumes {\n"
    + "".join(
        (
            volume(
                "root",
                1,
                '"READ", "WRITE", "VISIBLE"',
                segment("striped", 5, 'stripe_count = 1 stripes = [ "pv0", 0 ]'),
            ),
            volume(
                "striped",
                2,
                '"READ", "WRITE", "VISIBLE"',
                segment("striped", 4, 'stripe_count = 2 stripe_size = 128 stripes = [ "pv0", 5, "pv1", 0 ]'),
            ),
            volume(
                "pool",
                3,
                '"READ", "WRITE", "VISIBLE"',
                segment(
                    "thin-pool",
                    3,
                    'metadata = "pool_tmeta" pool = "pool_tdata" transaction_id = 1 chunk_size = 128 '
                    'discards = "passdown" zero_new_blocks = 1',
                ),
            ),
            volume(
                "thin1",
                4,
                '"READ", "WRITE", "VISIBLE"',
                segment("thin", 20, 'thin_pool = "pool" transaction_id = 0 device_id = 1'),
            ),
            volume(
                "pool_tmeta", 5, '"READ", "WRITE"', segment("striped", 1, 'stripe_count = 1 stripes = [ "pv1", 2 ]')
            ),
            volume(
                "pool_tdata", 6, '"READ", "WRITE"', segment("striped", 3, 'stripe_count = 1 stripes = [ "pv1", 3 ]')
            ),
        )
    )
    + "}\n"
)


def test_a_group_with_a_thin_pool_agrees_with_lvs(image: Image, loop: Callable[..., Path], tmp_path: Path) -> None:
    images = [image("pv0.img", 64), image("pv1.img", 64)]
    devices = [loop(each) for each in images]
    run("pvcreate", "-q", *LVM, *devices)
    run("vgcreate", "-q", *LVM, "vg_test", *devices)
    backup = tmp_path / "backup"
    run("vgcfgbackup", "-q", *LVM, "-f", backup, "vg_test")
    text = backup.read_text()
    end = text.rindex("}")
    backup.write_text(text[:end] + VOLUMES + text[end:])
    run("vgcfgrestore", "-q", "--force", *LVM, "-f", backup, "vg_test")
    disks = [read_disk(disk) for each in images if (disk := image_disk(str(each), each.stem)) is not None]
    (group,) = read_volume_groups({disk.name: disk for disk in disks}, (), ())
    columns = ("--units", "b", "--nosuffix", "--reportformat", "json")
    (known,) = json.loads(run("vgs", *LVM, *columns, "-o", "vg_name,vg_size,vg_free", "vg_test"))["report"][0]["vg"]
    listed = json.loads(run("lvs", *LVM, *columns, "-o", "lv_name,lv_size,segtype", "vg_test"))["report"][0]["lv"]
    run("vgremove", "-q", "-f", *LVM, "--driverloaded", "n", "vg_test")
    assert (group.name, group.size_bytes, group.free_bytes) == (
        known["vg_name"],
        int(known["vg_size"]),
        int(known["vg_free"]),
    )
    assert group.components == ("pv0", "pv1")
    assert sorted((one.name, one.size_bytes, one.use == "THIN") for one in group.logical_volumes) == sorted(
        (one["lv_name"], int(one["lv_size"]), one["segtype"].startswith("thin")) for one in listed
    )


GROUP = (
    'vg0 {\nid = "x"\nseqno = 7\nextent_size = 8192\nphysical_volumes {\npv0 {\npe_count = 15\n}\n}\n' + VOLUMES + "}\n"
)


def test_the_newest_description_of_a_group_counts() -> None:
    older = GROUP.replace("seqno = 7", "seqno = 6").replace("root {", "gone {")
    (group,) = volume_groups({"sda2": GROUP, "sdb1": older}, {})
    assert [one.name for one in group.logical_volumes] == ["root", "striped", "pool", "thin1"]
    assert group.components == ("sda2", "sdb1")


@given(changes=st.lists(st.tuples(st.integers(0, len(GROUP) - 1), st.sampled_from('{}[]=",\\ a1#\n\0')), min_size=1))
def test_damaged_descriptions_end_in_nothing_or_a_group(changes: list[tuple[int, str]]) -> None:
    text = list(GROUP)
    for at, character in changes:
        text[at] = character
    for group in volume_groups({"sda2": "".join(text)}, {}):
        assert group.free_bytes <= group.size_bytes or group.size_bytes < 0
        assert re.fullmatch(r"\S+", group.name)


def test_a_description_of_braces_alone_is_not_followed_down() -> None:
    assert volume_groups({"sda": "a { " * 100_000}, {}) == ()
