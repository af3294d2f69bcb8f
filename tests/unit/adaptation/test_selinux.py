"""SELinux stays on: every file that the adaptation writes has the label that the system's policy says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agents.target.adaptation.engine import Engine
from agents.target.adaptation.journal import Journal
from agents.target.adaptation.procedure import Procedure
from agents.target.adaptation.record import Record
from agents.target.adaptation.sandbox import SandboxResult
from agents.target.adaptation.tree import Tree
from contracts.adaptation import AdaptationReport
from tests.unit.adaptation.fixture_run import FixtureRun
from tests.unit.adaptation.trees.redhat import EL7
from tests.unit.adaptation.trees.shape import Shape, StandIns

ETC = "system_u:object_r:etc_t:s0"
UNIT = "system_u:object_r:systemd_unit_file_t:s0"
BOOT = "system_u:object_r:boot_t:s0"
FILES = {
    "/etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=targeted\n",
    "/etc/selinux/targeted/policy/policy.31": "",
    "/etc/shadow": "root:*:1::::::\n",
    # What masks it is a link, which has no label from its neighbours.
    "/usr/lib/systemd/system/waagent.service": "[Service]\n",
}
CONTEXTS = {
    "/etc/selinux/targeted/contexts/files/file_contexts": (
        f"/etc/.*\t{ETC}\n/etc/systemd/system/.*\t{UNIT}\n/boot/.*\t{BOOT}\n"
    )
}
WITHOUT = replace(EL7, files={**EL7.files, **FILES})
SHAPE = replace(WITHOUT, files={**WITHOUT.files, **CONTEXTS}, programs=(*EL7.programs, "/usr/sbin/setfiles"))


class Setfiles(StandIns):
    """Stands in for setfiles -n -v: says by the tree's contexts which of the files that it is asked about would get
    another label. form: what it prints for one of them."""

    def __init__(self, root: Path, shape: Shape, form: str, *, status: int = 0) -> None:
        super().__init__(root, shape)
        self._tree, self._form, self._status = root, form, status
        self._no_label = "<no context>" if form is FORMS[0] else ""

    def run(self, command: Sequence[str], *, files: Mapping[str, bytes] | None = None) -> SandboxResult:
        if "setfiles" not in " ".join(command):
            return super().run(command, files=files)
        contexts = (self._tree / command[-1].lstrip("/")).read_text().splitlines()
        rules = [line.split("\t") for line in contexts]
        # Of a file that was not asked about.
        lines = [self._form.format(path="/etc/passwd", old=UNIT, new=ETC)]
        for path in (files or {})["paths"].decode().splitlines():
            new = next((label for pattern, label in reversed(rules) if re.fullmatch(pattern, path)), None)
            old = label_of(self._tree / path.lstrip("/"))
            if new is not None and new != old:
                lines.append(self._form.format(path=path, old=old or self._no_label, new=new))
        return SandboxResult(status=self._status, output="\n".join(lines).encode() + b"\n", messages="it says so")


FORMS = ("Would relabel {path} from {old} to {new}", "/usr/sbin/setfiles reset {path} context {old}->{new}")


def label_of(path: Path) -> str:
    try:
        return os.getxattr(path, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()
    except OSError:
        return ""


def give_labels(root: Path) -> None:
    for path in [root, *(each for each in root.rglob("*") if not each.is_symlink())]:
        os.setxattr(path, "security.selinux", f"{ETC}\0".encode())


def adapted(run: FixtureRun, builder: StandIns) -> AdaptationReport:
    tree, record = Tree(run.root), Record()
    given = replace(run.inputs(), builder=builder)
    Procedure(tree, given, Engine(tree, Journal(tree, "run"), lambda _: run.disk), record).run()
    tree.close()
    return record.report(0)


def found(report: AdaptationReport) -> list[str]:
    return [check.id for check in report.checks if check.failure]


@pytest.mark.root
@pytest.mark.parametrize("form", FORMS, ids=["since 2016", "before"])
def test_written_files_and_links_get_the_labels_of_the_systems_policy(form: str, tmp_path: Path) -> None:
    run = FixtureRun(SHAPE, tmp_path, change=give_labels)
    report = adapted(run, Setfiles(run.root, SHAPE, form))
    assert found(report) == []
    assert not (run.root / ".autorelabel").exists()
    wanted = {
        "etc/fstab": ETC,
        "etc/dracut.conf.d/90-sms.conf": ETC,
        "etc/systemd/system/waagent.service": UNIT,
        "boot/grub2/grub.cfg": BOOT,
        "etc/passwd": "",
    }
    assert {name: label_of(run.root / name) for name in wanted} == wanted
    rows = {change.path: change.after for change in report.changes if change.step == "S15"}
    assert rows["/etc/systemd/system/waagent.service"] == UNIT
    assert "/etc/fstab" not in rows, "it has kept its label"


@pytest.mark.root
def test_labels_are_taken_back_with_the_files_that_got_them(tmp_path: Path) -> None:
    run = FixtureRun(SHAPE, tmp_path, change=give_labels)
    before = run.snapshot()
    adapted(run, Setfiles(run.root, SHAPE, FORMS[0]))
    assert run.undo() == []
    assert run.snapshot() == before
    assert label_of(run.root / "boot/grub2/grub.cfg") == ETC


@pytest.mark.root
def test_new_file_has_its_neighbours_label_and_the_first_start_labels_where_no_policy_of_files_is(
    tmp_path: Path,
) -> None:
    run = FixtureRun(WITHOUT, tmp_path, change=give_labels)
    assert found(run.adapt()) == []
    assert (run.root / ".autorelabel").exists()
    assert "enforcing=0" not in run.text("/boot/grub2/grub.cfg")
    for name in ("etc/fstab", "etc/dracut.conf.d/90-sms.conf", "etc/systemd/network/00-sms-0.link"):
        assert label_of(run.root / name) == ETC


@pytest.mark.root
def test_setfiles_that_fails_is_a_warning_and_the_first_start_labels(tmp_path: Path) -> None:
    run = FixtureRun(SHAPE, tmp_path, change=give_labels)
    report = adapted(run, Setfiles(run.root, SHAPE, FORMS[0], status=255))
    assert (report.verdict, found(report)) == ("passed", ["SELINUX_SETFILES"])
    assert (run.root / ".autorelabel").exists()
    assert label_of(run.root / "boot/grub2/grub.cfg") == ETC


@pytest.mark.root
def test_plan_says_that_labels_will_be_asked_for(tmp_path: Path) -> None:
    run = FixtureRun(SHAPE, tmp_path, change=give_labels)
    plan = run.plan()
    (row,) = [change for change in plan.changes if change.step == "S15"]
    assert re.fullmatch(r"of \d+ files, as setfiles says", row.after)


def test_missing_labels_of_selinux_are_given_at_the_first_start(tmp_path: Path) -> None:
    run = FixtureRun(WITHOUT, tmp_path)
    assert found(run.adapt()) == ["SELINUX_LABELS"]
    assert (run.root / ".autorelabel").exists()
    assert "enforcing=0" in run.text("/boot/grub2/grub.cfg")
