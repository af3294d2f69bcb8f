"""Swap files are made again: as large as they were, in one piece, and only where there is room."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.target.adaptation.changes import MakeSwapFile
from agents.target.adaptation.engine import Engine
from agents.target.adaptation.inputs import Inputs
from agents.target.adaptation.journal import Journal
from agents.target.adaptation.kernels import Kernel
from agents.target.adaptation.references import References
from agents.target.adaptation.sandbox import Sandbox
from agents.target.adaptation.steps.file_system_table import PATH, plan_file_system_table
from agents.target.adaptation.steps.swap_files import plan_swap_files
from agents.target.adaptation.tree import Tree
from contracts.adaptation import TargetFacts
from contracts.inventory import Mount, SwapFile
from services.task.domain.layout import plan_layout
from tests.e2e.adaptation_source import inventory
from tests.private_namespace import in_private_namespace

UUID = "6d2f1c3e-1111-4222-8333-123456789abf"
SIZE_BYTES = 2 << 20
KERNEL = Kernel(
    release="6.1.0-9-amd64",
    modules={},
    built_in=frozenset(),
    dependencies={},
    initrd_path="/boot/initrd.img-6.1.0-9-amd64",
)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    root = tmp_path / "tree"
    for folder in ("etc", "data", "var/lib"):
        (root / folder).mkdir(parents=True)
    view = Tree(root)
    yield view
    view.close()


def inputs(*files: SwapFile, kind: str = "ext4") -> Inputs:
    source = inventory().model_copy(update={"swap_file_headers": files})
    mounts = (*source.mounts, Mount(mount_point="/backup", host_path="/backup", kind="ext4"))
    layout = plan_layout(source)
    volumes = tuple(volume.model_copy(update={"kind": kind}) for volume in layout.volumes)
    layout = layout.model_copy(update={"volumes": volumes})
    return Inputs(
        layout=layout,
        inventory=source.model_copy(update={"mounts": mounts}),
        facts=TargetFacts(),
        own_paths=(),
        references=References(layout),
        builder=Sandbox(root=Path("/nowhere")),
        raw_path=Path,
    )


def swap_file(path: str = "/swap.img", size_bytes: int = SIZE_BYTES) -> SwapFile:
    return SwapFile(path=path, size_bytes=size_bytes, uuid=UUID, label="swap1")


def engine(tree: Tree) -> Engine:
    return Engine(tree, Journal(tree, "run"), Path)


@pytest.mark.parametrize("is_written", [False, True])
def test_swap_file_is_made_whole_for_root_alone_with_the_sources_uuid(tree: Tree, *, is_written: bool) -> None:
    change = MakeSwapFile(
        path="/swap.img", size_bytes=SIZE_BYTES, reason="", identifier=UUID, label="swap1", is_written=is_written
    )
    made, failures = engine(tree).apply("S05", [change])
    place = tree.root / "swap.img"
    status = place.stat()
    assert (len(made), failures) == (1, [])
    assert (stat.S_IMODE(status.st_mode), status.st_size) == (0o600, SIZE_BYTES)
    assert status.st_blocks * 512 >= SIZE_BYTES
    shown = subprocess.run(["blkid", "-p", "-o", "export", place], capture_output=True, text=True, check=True).stdout
    assert {f"UUID={UUID}", "LABEL=swap1", "TYPE=swap", "VERSION=1"} <= set(shown.split())
    assert engine(tree).apply("S05", [change]) == ([], [])


def test_undo_removes_the_swap_file_also_when_its_making_was_interrupted(tree: Tree) -> None:
    plan = plan_swap_files(tree, inputs(swap_file(), swap_file("/data/swap")), KERNEL)
    assert len(engine(tree).apply("S05", plan.changes)[0]) == 2
    with (tree.root / "data/swap").open("wb") as file:
        file.truncate(4096)  # allocated in part, without a header yet
    assert engine(tree).undo() == []
    assert sorted(path.name for path in tree.root.rglob("*")) == ["data", "etc", "lib", "var"]


def test_undo_leaves_a_file_that_somebody_put_in_the_swap_files_place(tree: Tree) -> None:
    engine(tree).apply("S05", plan_swap_files(tree, inputs(swap_file()), KERNEL).changes)
    (tree.root / "swap.img").write_text("accounts")
    assert engine(tree).undo() == ["/swap.img"]
    assert (tree.root / "swap.img").read_text() == "accounts"


def test_swap_file_without_room_is_a_warning_and_its_line_is_commented_out(tree: Tree) -> None:
    text = "/swap.img none swap sw 0 0\n/data/swap none swap sw 0 0\n"
    (tree.root / PATH.lstrip("/")).write_text(text)
    given = inputs(swap_file("/swap.img", 1 << 60), swap_file("/data/swap"))
    plan = plan_swap_files(tree, given, KERNEL)
    assert [(check.id, check.severity) for check in plan.checks if check.failure is not None] == [("SWAP_FILE", "W")]
    engine(tree).apply("S05", plan.changes)
    engine(tree).apply("S05", plan_file_system_table(tree, given).changes)
    lines = (tree.root / PATH.lstrip("/")).read_text().splitlines()
    assert lines[:2] == ["# not migrated: /swap.img none swap sw 0 0", "/data/swap none swap sw 0 0"]


def test_files_share_the_room_of_their_file_system(tree: Tree) -> None:
    status = os.statvfs(tree.root)
    half = (status.f_bavail * status.f_frsize) * 6 // 10
    plan = plan_swap_files(tree, inputs(swap_file("/one", half), swap_file("/two", half)), KERNEL)
    assert [change.path for change in plan.changes if isinstance(change, MakeSwapFile)] == ["/one"]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (swap_file("/backup/swap"), "not migrated"),
        (swap_file("/swap.img", 4096), "at least"),
        (swap_file("/gone/swap"), "folder is missing"),
        (swap_file("/etc"), "something else"),
        (swap_file("/a\0b"), "zero bytes"),
        (swap_file("relative"), "not migrated"),
        (swap_file("/swap.img", -(1 << 40)), "at least"),
    ],
)
def test_swap_file_that_has_no_place_is_told_and_not_made(tree: Tree, file: SwapFile, reason: str) -> None:
    plan = plan_swap_files(tree, inputs(file), KERNEL)
    assert plan.changes == ()
    (check,) = plan.checks
    assert check.failure is not None
    assert reason in check.failure.cause


@pytest.mark.parametrize(
    ("kind", "release", "expected"),
    [("xfs", "3.16.0-4-amd64", True), ("xfs", "4.19.0-1", False), ("ext4", "3.2.0", False)],
)
def test_only_old_kernels_on_xfs_need_written_zeros(tree: Tree, kind: str, release: str, *, expected: bool) -> None:
    kernel = Kernel(
        release=release, modules={}, built_in=frozenset(), dependencies={}, initrd_path="/boot/initrd.img-6.1.0-9-amd64"
    )
    (change,) = plan_swap_files(tree, inputs(swap_file(), kind=kind), kernel).changes
    assert isinstance(change, MakeSwapFile)
    assert change.is_written == expected


@pytest.mark.root
def test_swap_file_on_btrfs_is_written_in_place(tmp_path: Path) -> None:
    image, root = tmp_path / "image", tmp_path / "root"
    root.mkdir()
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)

    @in_private_namespace
    def run() -> None:
        subprocess.run(["mount", "-o", "loop", image, root], check=True)
        view = Tree(root)
        change = MakeSwapFile(path="/swap.img", size_bytes=SIZE_BYTES, reason="", is_on_btrfs=True)
        assert engine(view).apply("S05", [change])[1] == []
        view.close()
        shown = subprocess.run(["lsattr", root / "swap.img"], capture_output=True, text=True, check=True).stdout
        assert "C" in shown.split()[0]
        subprocess.run(["umount", root], check=True)

    run()
