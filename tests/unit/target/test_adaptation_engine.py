"""Applying, repeating and undoing changes on a tree."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.target.adaptation.changes import Change, MakeLink, RemoveFile, WriteDisk, WriteFile
from agents.target.adaptation.engine import Engine
from agents.target.adaptation.journal import FOLDER, Journal
from agents.target.adaptation.tree import Tree

NAMES = ("a", "b", "c")
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda names: "/etc/" + "/".join(names))
contents = st.binary(max_size=40)
nodes = st.one_of(
    st.tuples(st.just("file"), contents),
    st.tuples(st.just("link"), st.sampled_from([b"a", b"/etc/a", b"../b", b"/nowhere"])),
)
modes = st.sampled_from([None, 0o600, 0o755])
targets = st.sampled_from(["/etc/a", "b"])
offsets = st.integers(0, 900)
changes = st.one_of(
    st.builds(WriteFile, path=paths, content=contents, reason=st.just(""), mode=modes),
    st.builds(MakeLink, path=paths, target=targets, reason=st.just("")),
    st.builds(RemoveFile, path=paths, reason=st.just("")),
    st.builds(
        WriteDisk,
        disk=st.just("vda"),
        offset_bytes=offsets,
        content=st.binary(min_size=1, max_size=60),
        reason=st.just(""),
    ),
)


def build(root: Path, layout: dict[str, tuple[str, bytes]]) -> None:
    (root / "etc").mkdir()
    (root / "var/lib").mkdir(parents=True)
    for path, (kind, content) in layout.items():
        place = root / path.lstrip("/")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                place.write_bytes(content)
                os.setxattr(place, "user.note", content)
                place.chmod(0o640)
            else:
                place.symlink_to(content.decode())
        except OSError:
            continue


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder", stat.S_IMODE(status.st_mode))
        else:
            attributes = {each: os.getxattr(path, each) for each in os.listxattr(path)}
            found[name] = ("file", path.read_bytes(), status.st_mode, status.st_uid, status.st_mtime_ns, attributes)
    return found


def apply_all(root: Path, disk: Path, planned: list[Change]) -> int:
    """How many changes were made; those that the tree refuses are passed over, as in a run."""
    tree = Tree(root)
    engine = Engine(tree, Journal(tree, "run"), lambda _: disk)
    made, _ = engine.apply("S", planned)
    tree.close()
    return len(made)


def undo(root: Path, disk: Path) -> list[str]:
    tree = Tree(root)
    foreign = Engine(tree, Journal(tree, "run"), lambda _: disk).undo()
    tree.close()
    return foreign


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(paths, nodes, max_size=6), st.lists(changes, max_size=8))
def test_undo_after_apply_restores_every_byte(layout: dict[str, tuple[str, bytes]], planned: list[Change]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, disk = Path(folder, "tree"), Path(folder, "disk")
        root.mkdir()
        disk.write_bytes(bytes(range(256)) * 4)
        build(root, layout)
        before = snapshot(root)
        apply_all(root, disk, planned)
        assert undo(root, disk) == []
        assert snapshot(root) == before
        assert disk.read_bytes() == bytes(range(256)) * 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "var/lib").mkdir(parents=True)
    return tree


def write(path: str, content: bytes) -> WriteFile:
    return WriteFile(path=path, content=content, reason="")


def test_second_apply_of_the_same_plan_changes_nothing(root: Path, tmp_path: Path) -> None:
    plan: list[Change] = [write("/etc/one", b"1"), MakeLink(path="/etc/two", target="one", reason="")]
    assert apply_all(root, tmp_path / "disk", plan) == 2
    before = snapshot(root)
    assert apply_all(root, tmp_path / "disk", plan) == 0
    assert snapshot(root) == before


def test_edited_file_keeps_owner_mode_and_attributes(root: Path, tmp_path: Path) -> None:
    place = root / "etc/shadow"
    place.write_bytes(b"old")
    place.chmod(0o640)
    os.setxattr(place, "user.label", b"kept")
    apply_all(root, tmp_path / "disk", [write("/etc/shadow", b"new")])
    assert place.read_bytes() == b"new"
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert os.getxattr(place, "user.label") == b"kept"


def test_absolute_link_is_followed_inside_the_tree_only(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"the helper's")
    (root / "etc/config").symlink_to("/etc/real")
    (root / "etc/real").write_bytes(b"old")
    (root / "etc/trap").symlink_to(outside)
    apply_all(root, tmp_path / "disk", [write("/etc/config", b"new"), write("/etc/trap", b"new")])
    assert (root / "etc/real").read_bytes() == b"new"
    assert (root / "etc/config").is_symlink()
    assert outside.read_bytes() == b"the helper's"


def test_file_with_several_links_stays_linked(root: Path, tmp_path: Path) -> None:
    (root / "etc/one").write_bytes(b"old and long")
    os.link(root / "etc/one", root / "etc/two")
    apply_all(root, tmp_path / "disk", [write("/etc/one", b"new")])
    assert (root / "etc/two").read_bytes() == b"new"
    undo(root, tmp_path / "disk")
    assert (root / "etc/two").read_bytes() == b"old and long"
    assert (root / "etc/one").stat().st_nlink == 2


def test_undo_leaves_alone_what_somebody_else_changed_since(root: Path, tmp_path: Path) -> None:
    (root / "etc/one").write_bytes(b"old")
    apply_all(root, tmp_path / "disk", [write("/etc/one", b"ours"), write("/etc/two", b"ours")])
    (root / "etc/one").write_bytes(b"theirs")
    assert undo(root, tmp_path / "disk") == ["/etc/one"]
    assert (root / "etc/one").read_bytes() == b"theirs"
    assert not (root / "etc/two").exists()


def test_undo_continues_after_an_interruption_at_any_step(root: Path, tmp_path: Path) -> None:
    (root / "etc/one").write_bytes(b"old")
    before = snapshot(root)
    apply_all(root, tmp_path / "disk", [write("/etc/one", b"new"), write("/etc/sub/two", b"new")])
    # The state after a kill in the middle of an undo: the last change is back, the journal is still there.
    (root / "etc/sub/two").unlink()
    assert undo(root, tmp_path / "disk") == []
    assert {name: value for name, value in snapshot(root).items() if name.startswith("etc")} == {
        name: value for name, value in before.items() if name.startswith("etc")
    }


def test_torn_last_line_of_the_journal_is_passed_over(root: Path, tmp_path: Path) -> None:
    apply_all(root, tmp_path / "disk", [write("/etc/one", b"new")])
    with (root / FOLDER.lstrip("/") / "run/journal.jsonl").open("ab") as log:
        log.write(b'{"number": 2, "pa')
    assert undo(root, tmp_path / "disk") == []
    assert not (root / "etc/one").exists()


def test_removed_secret_is_not_kept_in_the_journal(root: Path, tmp_path: Path) -> None:
    (root / "etc/key").write_bytes(b"secret")
    apply_all(root, tmp_path / "disk", [RemoveFile(path="/etc/key", reason="", is_secret=True)])
    assert not (root / "etc/key").exists()
    assert all(b"secret" not in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_fifo_and_oversized_file_are_not_read(root: Path) -> None:
    os.mkfifo(root / "etc/fstab")
    with (root / "etc/passwd").open("wb") as file:
        file.truncate(1 << 30)
    tree = Tree(root)
    assert tree.text("/etc/fstab") is None
    assert tree.text("/etc/passwd") is None
    tree.close()
