"""The demo's own comparison sees every kind of difference, and explains away only what it may."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.tree_comparison import Circumstances, TreeComparison, compare_trees

NEVER = time.time() + 10_000


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A small tree and its exact copy."""
    source = tmp_path / "source"
    (source / "etc").mkdir(parents=True)
    (source / "etc/fstab").write_text("LABEL=data /data xfs defaults 0 0\n")
    (source / "etc/hostname").write_text("order-server\n")
    (source / "first").write_text("two names\n")
    os.link(source / "first", source / "second")
    (source / "link").symlink_to("first")
    os.mkfifo(source / "queue")
    os.setxattr(source / "first", "user.note", b"kept")
    target = tmp_path / "target"
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("queue", "second"))
    os.link(target / "first", target / "second")
    os.mkfifo(target / "queue")
    for path in (*source.rglob("*"), source):
        other = target / path.relative_to(source)
        found = path.lstat()
        os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
    return source, target


def compare(trees: tuple[Path, Path], *, adapted: str = "", left_out: str = "") -> TreeComparison:
    circumstances = Circumstances(
        left_out=frozenset({left_out.encode()} - {b""}),
        adapted=frozenset({adapted.encode()} - {b""}),
        source_changed_after=NEVER,
        target_changed_after=NEVER,
    )
    return compare_trees(*trees, circumstances)


def test_an_exact_copy_has_no_differences(trees: tuple[Path, Path]) -> None:
    found = compare(trees)
    assert (found.different, found.missing, found.extra) == (0, 0, 0)
    assert found.entries == 7


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda root: (root / "etc/hostname").write_text("order-serveR\n"), "contents"),
        (lambda root: (root / "etc/hostname").chmod(0o600), "mode"),
        (lambda root: os.utime(root / "etc/hostname", ns=(1, 1)), "mtime"),
        (lambda root: os.setxattr(root / "first", "user.note", b"lost"), "xattrs"),
        (lambda root: shutil.move(shutil.copy2(root / "second", root / "copy"), root / "second"), "hard link"),
        (lambda root: ((root / "link").unlink(), (root / "link").symlink_to("second")), "link target"),
        (lambda root: ((root / "queue").unlink(), (root / "queue").touch()), "kind"),
    ],
)
def test_a_change_on_the_target_is_seen(trees: tuple[Path, Path], change: Callable[[Path], object], what: str) -> None:
    change(trees[1])
    assert any(what in path for path in compare(trees).different_paths)


def test_a_file_that_did_not_arrive_is_missing(trees: tuple[Path, Path]) -> None:
    (trees[1] / "etc/hostname").unlink()
    assert compare(trees).missing_paths == ("/etc/hostname",)


def test_an_adapted_file_is_told_apart(trees: tuple[Path, Path]) -> None:
    (trees[1] / "etc/fstab").write_text("adapted\n")
    found = compare(trees, adapted="/etc/fstab")
    assert (found.different, found.adapted) == (0, 1)


def test_a_file_that_changed_after_the_last_round_is_told_apart(trees: tuple[Path, Path]) -> None:
    (trees[0] / "etc/hostname").write_text("renamed\n")
    changed_at = (trees[0] / "etc/hostname").stat().st_ctime
    circumstances = Circumstances(
        left_out=frozenset(), adapted=frozenset(), source_changed_after=changed_at, target_changed_after=NEVER
    )
    found = compare_trees(*trees, circumstances)
    assert found.different_paths == ()
    assert any(path.startswith("/etc/hostname") for path in found.changed_since_paths)
