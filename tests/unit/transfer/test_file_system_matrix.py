"""Every oddity on every kind of file system that a target is made with, on real ones in image files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from transfer_kit import (
    Pair,
    clear_flags,
    differences,
    get_project,
    make_odd_tree,
    set_project,
    snapshot,
)

from agents.source.tracking.tracker import ChangeTracker
from agents.transfer.attributes import PROJECT

pytestmark = pytest.mark.root
COMMANDS = {
    "ext2": ("mke2fs", "-q", "-t", "ext2", "-b", "4096"),
    "ext3 of an old system": ("mke2fs", "-q", "-t", "ext3", "-b", "4096", "-I", "128", "-O", "^metadata_csum,^64bit"),
    "ext4": ("mke2fs", "-q", "-t", "ext4", "-b", "4096"),
    "ext4 with projects": ("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "project"),
    "xfs": ("mkfs.xfs", "-q"),
    "btrfs": ("mkfs.btrfs", "-q"),
}
HIDDEN = (b"lost+found",)
Mount = Callable[[str, str], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mount]:
    points: list[Path] = []

    def mount(name: str, kind: str) -> Path:
        image, point = tmp_path / f"{name}.img", tmp_path / name
        with image.open("wb") as file:
            file.truncate(400 << 20)
        subprocess.run([*COMMANDS[kind], str(image)], check=True, capture_output=True)
        point.mkdir()
        done = subprocess.run(["mount", "-o", "loop", str(image), str(point)], capture_output=True, check=False)
        if done.returncode and kind == "ext4 with projects":
            pytest.skip("this kernel has no quotas, without which ext4 does not mount such a file system")
        assert done.returncode == 0, done.stderr
        points.append(point)
        return point

    yield mount
    for point in reversed(points):
        clear_flags(point)
        subprocess.run(["umount", str(point)], check=True)


# The target's is made as the source's was; ext4 is what a tree of unknown device gets.
@pytest.mark.parametrize(
    ("source_kind", "target_kind"),
    [*((kind, kind) for kind in COMMANDS if kind != "ext4"), ("btrfs", "ext4")],
)
def test_every_oddity_arrives_and_verifies(mounted: Mount, tmp_path: Path, source_kind: str, target_kind: str) -> None:
    source, target = mounted("source", source_kind), mounted("target", target_kind)
    make_odd_tree(source, has_flags=True)
    if source_kind != target_kind:
        # Only Btrfs knows it, so it is no difference that anybody could mend.
        (source / "nocow").unlink()
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        pair.source.copy()
        report = pair.source.verify()
        again = pair.source.sync(1)
    finally:
        pair.close()
    assert differences(snapshot(source, leave_out=HIDDEN), snapshot(target, leave_out=HIDDEN)) == []
    assert report.is_equal, report
    assert again.bytes_content == 0
    assert not [name for name in os.listdir(target) if name.startswith(".sms")]


def test_times_that_old_inodes_cannot_hold_are_named_by_the_report(mounted: Mount, tmp_path: Path) -> None:
    source, target = mounted("source", "ext4"), mounted("target", "ext3 of an old system")
    for name, seconds in (("in-1902", -(2**31) + 5), ("in-2038", 2**31 + 5), ("in-2024", 1_700_000_000)):
        (source / name).write_bytes(b"time")
        os.utime(source / name, ns=(0, seconds * 10**9))
    os.utime(source, (0, 0))
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        pair.source.copy()
        report = pair.source.verify()
    finally:
        pair.close()
    assert {each.path: each.what for each in report.different_paths} == {"/in-2038": ("mtime",)}


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_kernel_refuses_the_name_under_which_a_project_travels(mounted: Mount, kind: str) -> None:
    """So that no file has such an attribute, and a target that knows nothing of it leaves it out."""
    path = mounted("source", kind) / "file"
    path.touch()
    with pytest.raises(OSError, match="Operation not supported"):
        os.setxattr(path, PROJECT, bytes(5))


@pytest.mark.parametrize("kind", ["ext4 with projects", "xfs"])
def test_projects_of_quotas_are_kept_and_follow_their_files(mounted: Mount, tmp_path: Path, kind: str) -> None:
    source, target = mounted("source", kind), mounted("target", kind)
    for folder, project in (("one", 42), ("two", 4_000_000_000)):
        (source / folder).mkdir()
        (source / folder / "older").write_bytes(b"of no project")
        set_project(source / folder, project, inherits=True)
        (source / folder / "inner").mkdir()
        (source / folder / "inner/file").write_bytes(b"inherits")
        (source / folder / "large").write_bytes(os.urandom(3 << 20))
    (source / "alone").write_bytes(b"a project of its own")
    set_project(source / "alone", 7, inherits=False)
    pair = Pair(tmp_path, {0: (source, target, "/")})
    try:
        pair.source.copy()
        assert pair.source.verify().is_equal
        assert projects(target) == projects(source)
        # On the target, nothing of another project can be moved into a folder that gives its own.
        (source / "one/older").write_bytes(b"changed")
        os.rename(source / "one/inner/file", source / "one/moved")
        os.link(source / "one/moved", source / "one/inner/linked")
        (source / "two/new").write_bytes(b"inherits at once")
        set_project(source / "alone", 0, inherits=False)
        set_project(source / "two/inner", 9, inherits=False)
        pair.source.sync(1)
        assert projects(target) == projects(source)
        assert differences(snapshot(source, leave_out=HIDDEN), snapshot(target, leave_out=HIDDEN)) == []
        set_project(target / "one/moved", 43, inherits=False)
        (found,) = [each for each in pair.source.verify().different_paths if each.path == "/one/moved"]
        assert found.what == ("xattrs",)
    finally:
        pair.close()


def projects(root: Path) -> dict[str, tuple[int, bool]]:
    paths = [path for path in root.rglob("*") if path.name != "lost+found"]
    return {str(path.relative_to(root)): get_project(path) for path in paths}


@pytest.mark.parametrize("kind", ["ext2", "ext4", "xfs", "btrfs"])
def test_changes_of_a_whole_file_system_are_followed_from_its_root(mounted: Mount, tmp_path: Path, kind: str) -> None:
    """The root's inode has generation 0 on XFS, which is no sign that the file system knows none."""
    source, target, tracker = mounted("source", kind), tmp_path / "target", ChangeTracker()
    target.mkdir()
    (source / "folder").mkdir()
    for number in range(30):
        (source / f"folder/{number}").write_bytes(b"one")
    pair = Pair(tmp_path, {0: (source, target, "/")}, tracker=tracker)
    try:
        pair.source.copy()
        assert tracker.reasons == {}
        (source / "in the root").write_bytes(b"told")
        (source / "folder/1").write_bytes(b"told too")
        (source / "folder/2").rename(source / "moved")
        looked = pair.source.sync(1, by_changes=True)
        assert looked.files_sent > 0
        assert tracker.walked_because(0) == ""
    finally:
        pair.close()
        tracker.close()
    assert differences(snapshot(source, leave_out=HIDDEN), snapshot(target, leave_out=HIDDEN)) == []
