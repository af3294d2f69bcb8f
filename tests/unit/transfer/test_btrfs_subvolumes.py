"""A Btrfs with subvolumes, from the source's inventory over plan and copy to the target's disk."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from transfer_kit import TASK, Authority, differences, set_flags, snapshot

from agents.source.bind import private_roots, view_of
from agents.source.copy.session import SourceSession
from agents.source.inventory import collect
from agents.source.tracking.fanotify import Notifier
from agents.source.tracking.tracker import ChangeTracker
from agents.source.tracking.volume_tracker import VolumeTracker
from agents.target.disks import PreparedDisks
from agents.target.receive.server import TargetServer
from agents.transfer.paths import open_root
from agents.transfer.tls import source_context, target_context
from contracts.errors import MigrationError
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.transfer import CopySummary, VerificationReport
from services.task.domain.layout import plan_layout
from tests.private_namespace import in_private_namespace

pytestmark = pytest.mark.root
MIB = 1 << 20
NO_COPY_ON_WRITE, NO_DUMP = 0x00800000, 0x40
ODD = "a,user_subvol_rm_allowed"


def run(*argv: str | Path) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


class Suse:
    """As its installer lays it out: the root is a snapshot by name and the default, home and var lie beside it."""

    OUTER = ("@", "@/.snapshots", "@/home", "@/var")
    MOUNTED = (("@/.snapshots/1/snapshot", ""), ("@/.snapshots", ".snapshots"), ("@/home", "home"), ("@/var", "var"))

    def __init__(self, folder: Path) -> None:
        self.image, self.root, top = folder / "source.img", folder / "source", folder / "top"
        with self.image.open("wb") as file:
            file.truncate(300 * MIB)
        run("mkfs.btrfs", "-q", self.image)
        self.device = run("losetup", "-f", "--show", self.image).strip()
        top.mkdir()
        run("mount", "-o", "subvolid=5", self.device, top)
        for name in self.OUTER:
            run("btrfs", "subvolume", "create", top / name)
        (top / "@/.snapshots/1").mkdir()
        (top / "@/.snapshots/1/info.xml").write_text("<snapshot/>")
        run("btrfs", "subvolume", "snapshot", top / "@", top / "@/.snapshots/1/snapshot")
        run("btrfs", "subvolume", "set-default", top / "@/.snapshots/1/snapshot")
        run("umount", top)
        self.root.mkdir()
        for name, point in self.MOUNTED:
            (self.root / point).mkdir(exist_ok=True)
            run("mount", "-o", f"subvol={name},compress=zstd:1", self.device, self.root / point)
        # From here on the device goes with the last mount.
        run("losetup", "-d", self.device)
        self._fill()

    def _fill(self) -> None:
        root = self.root
        (root / "etc").mkdir()
        (root / "etc/hostname").write_text("suse\n")
        # The same inode numbers in each subvolume, some of them with a second name.
        for folder in (root, root / "home", root / "var"):
            (folder / "first").write_text(f"in {folder.name}")
            os.link(folder / "first", folder / "second")
        run("btrfs", "subvolume", "create", root / "var/machines")
        (root / "var/machines/disk").write_bytes(os.urandom(3 * MIB))
        run("btrfs", "subvolume", "snapshot", root / "var/machines", root / f"var/{ODD}")
        run("btrfs", "subvolume", "snapshot", "-r", root / "home", root / "home/backup")
        (root / ".snapshots/2").mkdir()
        run("btrfs", "subvolume", "snapshot", root, root / ".snapshots/2/snapshot")
        for name, value in (("zstd", "zstd"), ("lzo", "lzo"), ("none", "none")):
            (root / f"home/{name}").touch()
            set_flags(root / f"home/{name}", NO_DUMP)
            run("btrfs", "property", "set", root / f"home/{name}", "compression", value)
            (root / f"home/{name}").write_bytes(b"compresses well " * 100_000)
        (root / "home/packed").mkdir()
        run("btrfs", "property", "set", root / "home/packed", "compression", "lzo")
        (root / "home/packed/inherits").write_bytes(b"small " * 5_000)
        (root / "home/database").touch()
        set_flags(root / "home/database", NO_COPY_ON_WRITE)
        (root / "home/database").write_bytes(os.urandom(2 * MIB))

    def change(self) -> None:
        """The same names in several subvolumes, so that one of them cannot pass for another."""
        for folder in ("", "home", "var", "var/machines", f"var/{ODD}"):
            (self.root / folder / "new").write_text(f"in {folder}")
        (self.root / "var/machines/disk").rename(self.root / "var/machines/renamed")
        (self.root / "home/second").unlink()
        (self.root / "var/first").write_text("changed")

    def unmount(self) -> None:
        for _, point in reversed(self.MOUNTED):
            run("umount", self.root / point)

    def plan(self) -> TargetLayout:
        """With another UUID: one kernel does not mount two of the same."""
        layout = plan_layout(collect(self.root))
        (disk,) = layout.disks
        (partition,) = disk.partitions
        assert partition.format_as is not None
        other = partition.format_as.model_copy(update={"uuid": str(uuid4())})
        disk = disk.model_copy(update={"partitions": (partition.model_copy(update={"format_as": other}),)})
        return layout.model_copy(update={"disks": (disk,)})


class Copy:
    """The target of one plan, and what one copy made of it. roots: the source agent's views of the mounts."""

    def __init__(self, folder: Path, layout: TargetLayout, roots: Mapping[str, Path]) -> None:
        self.layout, self.folder, self.authority = layout, folder, Authority()
        self.views = [
            volume.model_copy(update={"source_path": str(view_of(volume, roots))}) for volume in layout.volumes
        ]
        disk = folder / "vda"
        with disk.open("wb") as file:
            file.truncate(layout.disks[0].size_bytes)
        self.disks = PreparedDisks(folder / "work")
        self.disks.attach([AttachedDisk(name="vda", path=str(disk))])
        self.disks.partition_and_format(layout)

    def copy(self, change: Callable[[], None] = lambda: None) -> tuple[CopySummary, VerificationReport]:
        """A full copy, a change of the source, a round that looks at what the kernel has reported, a verification."""
        server = TargetServer(
            task_id=TASK,
            listen=("127.0.0.1", 0),
            tls=target_context(**self.authority.leaf("target")),
            volumes=self.disks.mount_volumes(self.layout),
            mount_points={volume.index: volume.mount_point for volume in self.layout.volumes},
            state_folder=self.folder / "target-state",
            applied_survives_restart=True,
        )
        endpoint = server.start()
        source = SourceSession(
            task_id=TASK,
            volumes=self.views,
            endpoints=[endpoint],
            tls=source_context(**self.authority.leaf("source")),
            state_folder=self.folder / "source-state",
            excludes=(),
            own_paths=(),
            on_progress=lambda _: None,
            tracker=(tracker := ChangeTracker()),
        )
        try:
            summary = source.copy()
            assert not tracker.reasons
            change()
            looked = source.sync(1, by_changes=True)
            assert looked.files_total
            assert not any(tracker.walked_because(view.index) for view in self.views)
            return summary, source.verify()
        finally:
            tracker.close()
            server.stop()
            self.disks.unmount()


@in_private_namespace
def test_subvolumes_of_a_suse_root_are_made_again_and_hold_the_same(tmp_path: Path) -> None:
    source = Suse(tmp_path)
    layout = source.plan()
    target = Copy(tmp_path, layout, private_roots(collect(source.root).mounts, parent=tmp_path))
    summary, report = target.copy(source.change)
    assert report.is_equal, report
    assert {(each.path, each.reason) for each in summary.skipped_paths} == {
        ("/home/backup", "subvolume"),
        ("/.snapshots/2/snapshot", "subvolume"),
    }
    tree = target.disks.mount_tree(layout)
    made = {line.split(" path ")[1] for line in run("btrfs", "subvolume", "list", tree).splitlines()}
    assert made == {*Suse.OUTER, "@/.snapshots/1/snapshot", "@/var/machines", f"@/var/{ODD}"}
    assert run("btrfs", "subvolume", "get-default", tree).split()[-1] == "@/.snapshots/1/snapshot"
    inner = (b"home", b"var", b".snapshots", b"1/snapshot", b"2/snapshot", b"backup", b"machines", ODD.encode())
    for volume in layout.volumes:
        there = snapshot(tree / volume.mount_point.lstrip("/"), leave_out=inner)
        assert differences(snapshot(Path(volume.source_path), leave_out=inner), there) == []
    assert {volume.mount_point for volume in layout.volumes if volume.is_nested} == {"/var/machines", f"/var/{ODD}"}
    for name in ("zstd", "lzo", "none"):
        assert run("btrfs", "property", "get", tree / "home" / name, "compression").strip() == f"compression={name}"
    # What is compressed on the source is on the target too, also by the mount's own option.
    (data,) = (line for line in run("btrfs", "filesystem", "df", "-b", tree).splitlines() if line.startswith("Data,"))
    incompressible = 3 * MIB + 3 * MIB + 2 * MIB + 1_600_000
    assert incompressible <= int(data.rpartition("used=")[2]) < incompressible + 600_000
    target.disks.detach()
    source.unmount()


@in_private_namespace
def test_changes_of_a_subvolume_are_told_by_a_mount_of_all_of_the_file_system(tmp_path: Path) -> None:
    source = Suse(tmp_path)
    plain = Notifier()
    root = open_root(str(source.root / "home"))
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        plain.watch(root)
    os.close(root)
    plain.close()
    tracker = VolumeTracker(str(source.root / "home"))
    tracker.begin_walk(("scope",))
    tracker.confirm({})
    (source.root / "home/told").write_text("by the kernel")
    assert tracker.collect()
    tracker.close()
    source.unmount()


@in_private_namespace
def test_a_hostile_name_of_a_subvolume_is_no_mount_option_and_no_way_out(tmp_path: Path) -> None:
    source = Suse(tmp_path)
    layout = source.plan()
    for path in ("../../etc", "/absolute", "a//b", "", "."):
        bad = layout.subvolumes[0].model_copy(update={"path": path})
        with pytest.raises(MigrationError) as raised:
            Copy(tmp_path, layout.model_copy(update={"subvolumes": (bad,)}), {})
        assert raised.value.code in {"SMS.TRANSFER.PROTOCOL", "SMS.DISK.SUBVOLUME_FAILED"}, path
    source.unmount()


@in_private_namespace
def test_inventory_names_subvolumes_as_btrfs_does(tmp_path: Path) -> None:
    source = Suse(tmp_path)
    (volume,) = collect(source.root).btrfs
    told = {(each.id, each.name) for each in volume.subvolumes}
    listed = run("btrfs", "subvolume", "list", source.root).splitlines()
    assert told == {(line.split()[1], line.split(" path ")[1]) for line in listed}
    snapshots = {line.split(" path ")[1] for line in run("btrfs", "subvolume", "list", "-s", source.root).splitlines()}
    assert {each.name for each in volume.subvolumes if each.is_snapshot} == snapshots
    assert [each.name for each in volume.subvolumes if each.is_read_only] == ["@/home/backup"]
    assert volume.default_subvolume_name == "@/.snapshots/1/snapshot"
    assert volume.default_mount_point == "/"
    source.unmount()
