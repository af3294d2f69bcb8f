"""What is to be changed is known before anything is: the plan of every family is what is then done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.target.adaptation.changes import MakeLink, RemoveFile, RemoveFolder, WriteFile
from agents.target.adaptation.planned import PlannedTree, Planner
from contracts.adaptation import AdaptationReport
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.test_families import every_shape
from tests.unit.adaptation.trees.shape import Shape


def rows(report: AdaptationReport) -> list[tuple[str, str, str, str, str]]:
    return [(each.step, each.operation, each.path, each.after, each.reason) for each in report.changes]


@every_shape
def test_plan_names_every_change_that_is_then_made_and_changes_nothing(shape: Shape, tmp_path: Path) -> None:
    run = FixtureRun(shape, tmp_path)
    before = run.snapshot()
    plan = run.plan()
    assert run.snapshot() == before
    assert not (run.root / "var/lib/sms-adapt").exists()
    made = run.adapt()
    assert rows(plan) == rows(made)
    assert plan.verdict == "passed"


@pytest.fixture
def tree(tmp_path: Path) -> PlannedTree:
    for folder in ("etc/old", "boot/grub2"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/fstab").write_text("as it was\n")
    (tmp_path / "etc/old/one").write_text("")
    (tmp_path / "boot/grub2/grub.cfg").write_text("as it was\n")
    (tmp_path / "etc/grub2.cfg").symlink_to("../boot/grub2/grub.cfg")
    return PlannedTree(tmp_path)


def planned(tree: PlannedTree, *changes: WriteFile | MakeLink | RemoveFile | RemoveFolder) -> list[tuple[str, str]]:
    made, failures = Planner(tree, lambda _: Path("/nonexistent")).apply("S05", changes)
    assert failures == []
    return [(change.operation, change.path) for change in made]


def test_planned_file_is_read_also_through_a_link_and_the_tree_keeps_its_own(tree: PlannedTree) -> None:
    change = WriteFile(path="/etc/grub2.cfg", content=b"as it will be\n", reason="")
    assert planned(tree, change) == [("edit", "/boot/grub2/grub.cfg")]
    assert tree.text("/etc/grub2.cfg") == tree.text("/boot/grub2/grub.cfg") == "as it will be\n"
    assert tree.link_target("/etc/grub2.cfg") == "../boot/grub2/grub.cfg"
    assert (tree.root / "boot/grub2/grub.cfg").read_text() == "as it was\n"
    assert planned(tree, change) == []


def test_planned_file_in_a_new_folder_is_there_and_has_its_mode(tree: PlannedTree) -> None:
    change = WriteFile(path="/etc/new/deep/program", content=b"#!/bin/sh\n", reason="", mode=0o755)
    assert planned(tree, change) == [("create", "/etc/new/deep/program")]
    assert tree.is_directory("/etc/new/deep")
    assert tree.is_program("/etc/new/deep/program")
    assert (tree.names("/etc/new"), tree.names("/etc/new/deep")) == (["deep"], ["program"])
    assert "new" in tree.names("/etc")
    assert not (tree.root / "etc/new").exists()


def test_planned_link_takes_a_files_place_and_is_followed(tree: PlannedTree) -> None:
    assert planned(tree, MakeLink(path="/etc/fstab", target="grub2.cfg", reason="")) == [("create", "/etc/fstab")]
    assert tree.link_target("/etc/fstab") == "grub2.cfg"
    assert tree.text("/etc/fstab") == "as it was\n"
    assert planned(tree, MakeLink(path="/etc/fstab", target="/dev/null", reason="")) == [("create", "/etc/fstab")]
    assert tree.text("/etc/fstab") is None


def test_what_is_to_be_removed_is_gone_and_may_be_made_again(tree: PlannedTree) -> None:
    removed = planned(tree, RemoveFile(path="/etc/fstab", reason=""), RemoveFolder(path="/etc/old", reason=""))
    assert removed == [("delete", "/etc/fstab"), ("delete", "/etc/old")]
    assert not tree.is_file("/etc/fstab")
    assert not tree.is_file("/etc/old/one")
    assert tree.names("/etc") == ["grub2.cfg"]
    assert planned(tree, RemoveFile(path="/etc/fstab", reason="")) == []
    assert planned(tree, WriteFile(path="/etc/fstab", content=b"new\n", reason="")) == [("create", "/etc/fstab")]
    assert tree.text("/etc/fstab") == "new\n"


def test_links_of_the_tree_do_not_lead_a_plan_out_of_it(tree: PlannedTree) -> None:
    (tree.root / "etc/out").symlink_to("../../../../../etc/hostname")
    (tree.root / "etc/folder").symlink_to("/../../..")
    assert tree.text("/etc/out") is None
    planned(tree, WriteFile(path="/etc/folder/mine", content=b"", reason=""))
    assert "/mine" in {tree.real_path("/etc/folder/mine")}
    assert "mine" in tree.names("/")
    assert not os.path.exists("/mine")
