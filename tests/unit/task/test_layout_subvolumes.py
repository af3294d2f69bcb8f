"""Planning a Btrfs with subvolumes: what is copied, what is made, what is left out."""

from __future__ import annotations

from contracts.inventory import BtrfsSubvolume, BtrfsVolume, Mount, SourceInventory
from contracts.layout import TargetLayout
from services.task.domain.layout import plan_layout
from tests.unit.task.test_layout import MIB, disk, inventory, mount, partition

SYSTEM = disk(partition(1, 1, 100, "ext4"), partition(2, 101, 7000, "btrfs"))


def subvolume(number: int, name: str, *, snapshot: bool = False, read_only: bool = False) -> BtrfsSubvolume:
    return BtrfsSubvolume(id=str(number), name=name, is_snapshot=snapshot, is_read_only=read_only)


def shown(point: str, name: str) -> Mount:
    return mount(point, "sda2", "btrfs", root=f"/{name}")


def source(*mounts: Mount, subvolumes: tuple[BtrfsSubvolume, ...] = (), default: str = "") -> SourceInventory:
    told = BtrfsVolume(uuid="uuid-2", subvolumes=subvolumes, default_subvolume_name=default)
    return inventory((SYSTEM,), mounts).model_copy(update={"btrfs": (told,)})


def made(layout: TargetLayout) -> list[str]:
    return [each.path for each in layout.subvolumes]


def test_ubuntu_root_and_home_go_onto_one_file_system_and_count_once() -> None:
    both = (subvolume(256, "@"), subvolume(257, "@home"))
    layout = plan_layout(source(shown("/home", "@home"), shown("/", "@"), mount("/boot", "sda1"), subvolumes=both))
    assert [(v.mount_point, v.subvolume, v.target_partition, v.estimated_bytes // MIB) for v in layout.volumes] == [
        ("/", "@", 2, 500),
        ("/boot", "", 1, 500),
        ("/home", "@home", 2, 0),
    ]
    assert made(layout) == ["@", "@home"]
    assert not any(each.is_default for each in layout.subvolumes)
    assert layout.disks[0].is_system


def test_suse_root_is_made_by_its_name_inside_the_ones_around_it() -> None:
    names = ("@", "@/home", "@/.snapshots", "@/.snapshots/1/snapshot", "@/.snapshots/9/snapshot", "@/opt")
    told = tuple(subvolume(256 + n, name, snapshot="/snapshot" in name) for n, name in enumerate(names))
    mounts = (shown("/", names[3]), shown("/.snapshots", names[2]), shown("/home", names[1]))
    layout = plan_layout(source(*mounts, subvolumes=told, default=names[3]))
    assert made(layout) == ["@", "@/.snapshots", "@/home", "@/.snapshots/1/snapshot"]
    assert [each.path for each in layout.subvolumes if each.is_default] == [names[3]]
    (note,) = [note for note in layout.notes if "subvolumes" in note]
    assert note.endswith("left out: @/.snapshots/9/snapshot, @/opt")


def test_what_is_inside_a_mounted_subvolume_is_copied_unless_it_is_a_snapshot_or_covered() -> None:
    told = (
        subvolume(256, "@"),
        subvolume(257, "@/var/lib/machines"),
        subvolume(258, "@/var/lib/docker/btrfs/subvolumes/1", snapshot=True),
        subvolume(259, "@/backup", snapshot=True, read_only=True),
        subvolume(260, "@/backup/inner"),
        subvolume(261, "@/srv"),
        subvolume(262, "@/srv/inner"),
    )
    layout = plan_layout(source(shown("/", "@"), mount("/srv", "sda1"), subvolumes=told))
    nested = {each.mount_point: (each.subvolume, each.source_path) for each in layout.volumes if each.is_nested}
    assert nested == {
        "/var/lib/machines": ("@/var/lib/machines", "/var/lib/machines"),
        "/var/lib/docker/btrfs/subvolumes/1": (
            "@/var/lib/docker/btrfs/subvolumes/1",
            "/var/lib/docker/btrfs/subvolumes/1",
        ),
    }
    assert any("left out: @/backup, @/backup/inner, @/srv and 1 more" in note for note in layout.notes)
    assert any("not shared" in note for note in layout.notes)


def test_top_level_that_is_mounted_too_does_not_copy_the_others_twice() -> None:
    told = (subvolume(256, "@"), subvolume(257, "@home"), subvolume(258, "vault"))
    layout = plan_layout(source(shown("/mnt/pool", ""), shown("/", "@"), shown("/home", "@home"), subvolumes=told))
    points = {each.mount_point: each.subvolume for each in layout.volumes}
    assert points == {"/": "@", "/home": "@home", "/mnt/pool": "", "/mnt/pool/vault": "vault"}


def test_source_that_tells_nothing_of_its_subvolumes_has_its_mounts_copied() -> None:
    layout = plan_layout(source(shown("/", "root"), shown("/home", "home")).model_copy(update={"btrfs": ()}))
    assert [(each.mount_point, each.subvolume) for each in layout.volumes] == [("/", "root"), ("/home", "home")]
    assert made(layout) == ["home", "root"]
