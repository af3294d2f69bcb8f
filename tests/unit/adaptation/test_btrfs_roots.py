"""Systems whose root is a Btrfs subvolume: references by number become references by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.steps.grub2_code import embedded_config
from agents.target.adaptation.system import detect_system
from agents.target.adaptation.tree import Tree
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.debian import SHAPES as DEBIAN_SHAPES
from tests.unit.adaptation.trees.shape import ROOT_UUID, Shape
from tests.unit.adaptation.trees.suse import SLES15

SNAPSHOT = "@/.snapshots/1/snapshot"
SUSE_SUBVOLUMES = {
    "/": SNAPSHOT,
    "/.snapshots": "@/.snapshots",
    "/boot/grub2/i386-pc": "@/boot/grub2/i386-pc",
    "/home": "@/home",
}
MODULES = ("virtio", "virtio_ring", "virtio_pci", "virtio_blk", "virtio_net", "sd_mod", "ahci", "btrfs")


def on_btrfs(shape: Shape, subvolumes: dict[str, str], fstab: str, menu: tuple[str, str] = ("", "")) -> Shape:
    files = {path: text.replace(*menu) if isinstance(text, str) else text for path, text in shape.files.items()}
    return replace(
        shape,
        root_kind="btrfs",
        has_boot=False,
        subvolumes=subvolumes,
        files={**files, "/etc/fstab": fstab},
    )


def run(shape: Shape, folder: Path) -> FixtureRun:
    made = FixtureRun(shape, folder, change=lambda root: [(root / name).mkdir() for name in ("mnt", "srv")] and None)
    report = made.adapt()
    unwanted = {check.id for check in report.checks if check.failure} & {"FSTAB_UNRESOLVED", "ROOT_UNRESOLVED"}
    assert not unwanted, report.checks
    return made


DEVICE = "/dev/disk/by-id/scsi-36000c29-part2"
SUSE_ON_TOP = on_btrfs(
    SLES15,
    SUSE_SUBVOLUMES,
    f"{DEVICE}  /            btrfs  defaults                   0  0\n"
    f"{DEVICE}  /.snapshots  btrfs  subvol=/@/.snapshots       0  0\n"
    f"{DEVICE}  /home        btrfs  noatime,subvolid=260,ssd   0  0\n"
    f"UUID={ROOT_UUID}  /mnt         btrfs  subvolid=5                 0  0\n"
    f"UUID={ROOT_UUID}  /srv         btrfs  subvolid=999,subvol=/@/srv 0  0\n",
    ('set default="${saved_entry}"', 'set btrfs_relative_path="y"\nset default="${saved_entry}"'),
)
SUSE = replace(SUSE_ON_TOP, default_subvolume=SNAPSHOT)


def test_numbers_of_subvolumes_in_fstab_become_their_names(tmp_path: Path) -> None:
    text = run(SUSE, tmp_path).text("/etc/fstab")
    assert [line.split()[3] for line in text.splitlines()] == [
        "defaults",
        "subvol=/@/.snapshots",
        "noatime,subvol=/@/home,ssd",
        "subvol=/",
        "subvol=/@/srv",
    ]
    assert {line.split()[0] for line in text.splitlines()} == {f"UUID={ROOT_UUID}"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("rootflags=subvolid=257", f"rootflags=subvol=/{SNAPSHOT}"),
        (f"rootflags=subvol={SNAPSHOT},subvolid=257", f"rootflags=subvol={SNAPSHOT}"),
        ("rootflags=subvolid=4711,compress=zstd", f"rootflags=subvol=/{SNAPSHOT},compress=zstd"),
    ],
)
def test_number_of_the_root_in_the_menu_becomes_its_name(tmp_path: Path, given: str, wanted: str) -> None:
    files = {**SUSE.files, "/boot/grub2/grub.cfg": str(SUSE.files["/boot/grub2/grub.cfg"]).replace("quiet", given)}
    text = run(replace(SUSE, files=files), tmp_path).text("/boot/grub2/grub.cfg")
    assert wanted in text
    assert "subvolid" not in text


def test_suse_boot_code_counts_from_the_default_subvolume_and_mounts_that_of_the_modules(tmp_path: Path) -> None:
    made = FixtureRun(SUSE, tmp_path)
    tree = Tree(made.root)
    config = embedded_config(tree, made.inputs(), detect_system(tree)).decode()
    tree.close()
    assert config.splitlines() == [
        f"search.fs_uuid {ROOT_UUID} root",
        'set btrfs_relative_path="y"',
        "export btrfs_relative_path",
        "btrfs-mount-subvol ($root) /boot/grub2/i386-pc /@/boot/grub2/i386-pc",
        "set prefix=($root)/boot/grub2",
    ]


@pytest.mark.parametrize(
    ("subvolumes", "prefix"),
    [
        ({"/": "@", "/home": "@home"}, "/@/boot/grub"),
        ({"/": "root", "/boot": "boot"}, "/boot/grub"),
        ({"/": "@rootfs"}, "/@rootfs/boot/grub"),
    ],
)
def test_other_boot_code_finds_its_folder_from_the_top_level(
    tmp_path: Path, subvolumes: dict[str, str], prefix: str
) -> None:
    shape = next(each for each in DEBIAN_SHAPES if "/boot/grub/grub.cfg" in each.files and each.firmware == "BIOS")
    made = FixtureRun(on_btrfs(shape, subvolumes, f"UUID={ROOT_UUID} / btrfs defaults,subvol=@ 0 0\n"), tmp_path)
    tree = Tree(made.root)
    config = embedded_config(tree, made.inputs(), detect_system(tree)).decode()
    tree.close()
    assert config.splitlines()[-1] == f"set prefix=($root){prefix}"


# As grub-mkconfig writes it for a root that is a subvolume: paths count from the top level.
DEBIAN = on_btrfs(
    next(each for each in DEBIAN_SHAPES if each.name == "debian-12"),
    {"/": "@rootfs", "/home": "@home"},
    f"UUID={ROOT_UUID} / btrfs defaults,subvol=@rootfs 0 0\nUUID={ROOT_UUID} /home btrfs subvolid=258 0 0\n",
    ("\t/boot/", "\t/@rootfs/boot/"),
)
MENUS = ("/boot/grub/grub.cfg", "/usr/share/fixture/grub.cfg")


def started_with(flags: str) -> Shape:
    menus = {path: str(DEBIAN.files[path]).replace(" ro ", f" ro {flags} ") for path in MENUS}
    return replace(DEBIAN, files={**DEBIAN.files, **menus})


def failures(shape: Shape, folder: Path) -> dict[str, str]:
    made = FixtureRun(shape, folder, change=lambda root: (root / "home").mkdir(exist_ok=True))
    return {check.id: check.failure.cause for check in made.adapt().checks if check.failure and check.severity == "E"}


def test_debian_on_a_subvolume_starts_a_kernel_by_its_path_from_the_top_level(tmp_path: Path) -> None:
    assert failures(started_with("rootflags=subvol=@rootfs"), tmp_path) == {}


@pytest.mark.parametrize("flags", ["rootflags=subvol=@home", "rootflags=subvol=/", "rootflags=discard", "quiet"])
def test_menu_that_starts_another_subvolume_stops_the_launch(tmp_path: Path, flags: str) -> None:
    assert "@rootfs" in failures(started_with(flags), tmp_path)["ROOT_UNRESOLVED"]


def test_root_that_is_neither_named_nor_the_default_stops_the_launch(tmp_path: Path) -> None:
    assert "at the top" in failures(SUSE_ON_TOP, tmp_path)["ROOT_UNRESOLVED"]
