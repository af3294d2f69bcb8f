"""Sync rounds that look only at what the kernel has reported, one by one and one after the other."""

from __future__ import annotations

import os
import random
import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest
from churn import Churn
from tracked import Tracked
from transfer_kit import differences, random_tree, snapshot

from agents.source.tracking.tracker import ChangeTracker

pytestmark = pytest.mark.root


def test_second_round_looks_at_nothing_but_what_has_changed(pair: Tracked) -> None:
    source, _ = pair.roots
    random_tree(source, random.Random(1), 2000)
    (source / "moved").mkdir()
    for number in range(500):
        (source / f"moved/{number}").write_bytes(b"%d" % number)
    time.sleep(2.1)  # what was just changed is read once more
    pair.source.copy()
    quiet = pair.sync_and_compare(1)
    assert (quiet.files_total, quiet.bytes_content) == (0, 0)

    (source / "new").write_bytes(b"n")
    (source / "moved").rename(source / "elsewhere")
    (source / "f0").write_bytes(b"changed") if (source / "f0").exists() else None
    (source / "elsewhere/7").unlink()
    (source / "elsewhere/8").chmod(0o600)
    summary = pair.sync_and_compare(2)
    assert summary.files_total < 15, summary
    assert summary.renamed == 1
    assert summary.bytes_content < 100


def test_removed_folder_whose_inode_comes_back_is_not_taken_for_the_old_one(pair: Tracked) -> None:
    source, _ = pair.roots
    for name in ("one", "two", "three"):
        (source / name / "inner").mkdir(parents=True)
        (source / name / "inner/file").write_bytes(name.encode())
    pair.source.copy()
    for number in range(1, 6):
        for name in ("one", "two", "three"):
            shutil.rmtree(source / name)
        for name in ("three", "one", "two"):
            (source / name / "inner").mkdir(parents=True)
            (source / name / f"inner/file{number}").write_bytes(b"another")
        (source / "two").rename(source / "aside")
        (source / "one").rename(source / "two")
        (source / "aside").rename(source / "one")
        pair.sync_and_compare(number)


def test_folder_moved_with_changes_in_it_and_a_link_out_of_it(pair: Tracked) -> None:
    source, _ = pair.roots
    (source / "a/deep/deeper").mkdir(parents=True)
    (source / "b").mkdir()
    for name in ("f", "g", "deep/h", "deep/deeper/i"):
        (source / "a" / name).write_bytes(name.encode() * 100)
    pair.source.copy()
    (source / "a").rename(source / "c")
    os.link(source / "c/f", source / "b/f-too")
    (source / "c/deep").rename(source / "b/deep")
    (source / "b/deep/h").write_bytes(b"changed")
    (source / "b/deep/deeper/new").write_bytes(b"new")
    (source / "c/g").rename(source / "a-file")
    pair.sync_and_compare(1)
    (source / "b/f-too").write_bytes(b"through the other name")
    (source / "c/f").chmod(0o4711)
    pair.sync_and_compare(2)
    (source / "c/f").unlink()
    pair.sync_and_compare(3)


def test_file_written_by_a_name_that_came_and_went_is_found_by_its_other_one(pair: Tracked) -> None:
    source, _ = pair.roots
    for name in ("alone", "replaced"):
        (source / name).write_bytes(b"before")
    pair.source.copy()
    # The catalogue does not know these names, and after the write nothing stands for the file but the old ones.
    os.link(source / "alone", source / "passing")
    os.link(source / "replaced", source / "passing too")
    (source / "passing").write_bytes(b"by a name that is gone")
    (source / "passing too").write_bytes(b"by a name that is another file")
    (source / "passing").unlink()
    (source / "passing too").unlink()
    (source / "passing too").write_bytes(b"the other file")
    pair.sync_and_compare(1)


def test_what_gives_no_event_is_found_by_a_walk(pair: Tracked) -> None:
    import mmap

    source, _ = pair.roots
    (source / "mapped").write_bytes(bytes(8192))
    pair.source.copy()
    with open(source / "mapped", "r+b") as file, mmap.mmap(file.fileno(), 8192) as mapped:
        mapped[100] = 1
        mapped.flush()
    pair.source.sync(1)
    assert differences(*map(snapshot, pair.roots)) == []


def test_lost_events_and_a_new_agent_cost_a_walk_and_nothing_else(pair: Tracked, monkeypatch) -> None:
    source, _ = pair.roots
    random_tree(source, random.Random(2), 300)
    pair.source.copy()
    monkeypatch.setattr("agents.source.tracking.changes.MAX_NAMES", 100)
    for number in range(200):
        (source / f"burst{number}").write_bytes(b"b")
    time.sleep(0.3)
    monkeypatch.undo()
    assert pair.tracker.walked_because(0)
    walked = pair.sync_and_compare(1)
    assert not pair.tracker.walked_because(0)
    assert walked.files_total > 400
    assert pair.sync_and_compare(2).files_total < 400

    other = ChangeTracker()
    try:
        (source / "f-unseen").write_bytes(b"while no agent ran")
        pair.source_options["tracker"] = other
        pair.source = pair.new_source()
        assert pair.sync_and_compare(3).files_total > 400
        assert pair.sync_and_compare(4).files_total < 400
    finally:
        other.close()


def test_other_exclusions_ask_for_a_walk(pair: Tracked) -> None:
    source, target = pair.roots
    (source / "left-out").mkdir()
    pair.source_options["excludes"] = ("/left-out",)
    pair.source = pair.new_source()
    pair.source.copy()
    (source / "left-out/file").write_bytes(b"now it counts")
    pair.source.sync(1, by_changes=True)
    assert not (target / "left-out").exists()
    pair.source_options["excludes"] = ()
    pair.source = pair.new_source()
    pair.sync_and_compare(2)


def test_kernel_without_handles_is_walked(tmp_path: Path, monkeypatch) -> None:
    import errno

    from agents.source.tracking import volume_tracker

    def refuse() -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(volume_tracker, "Notifier", refuse)
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    pair = Tracked(tmp_path, tmp_path / "source", tmp_path / "target")
    try:
        (tmp_path / "source/file").write_bytes(b"one")
        pair.source.copy()
        assert pair.tracker.reasons == {0: os.strerror(errno.EINVAL)}
        (tmp_path / "source/file").write_bytes(b"other")
        assert pair.sync_and_compare(1).files_sent == 1
        assert pair.progress[-1].volumes[0].walked_because == os.strerror(errno.EINVAL)
        time.sleep(1.5)
        finish = pair.follow()
        (tmp_path / "source/file").write_bytes(b"third")
        finish()
        assert (tmp_path / "target/file").read_bytes() == b"third"
        lag_s = pair.progress[-1].lag_s
        assert lag_s is not None
        assert lag_s < 1.5, "since the last walk that has ended began"
    finally:
        pair.close()


def churn_and_compare(pair: Tracked, seed: int, *, per_s: float, operations: int) -> None:
    print("seed", seed)  # noqa: T201 - replays a failure
    rng = random.Random(seed)
    source, _ = pair.roots
    random_tree(source, rng, 300)
    pair.source.copy()
    churn = Churn(source, rng)
    finish = pair.follow()
    try:
        churn.run(per_s=per_s, operations=operations)
    finally:
        time.sleep(1)
        summary = finish()
    print(summary.files_total, "looked at,", summary.seconds, "s", dict(churn.made))  # noqa: T201 - the figures
    assert sum(each.bytes_content for each in pair.rounds) == summary.bytes_content
    assert all(each.after_s >= before.seconds for before, each in pairwise(pair.rounds))
    assert differences(*map(snapshot, pair.roots)) == []
    walked = pair.source.sync(2)
    assert (walked.deleted, walked.renamed) == (0, 0), walked
    assert differences(*map(snapshot, pair.roots)) == []


def test_churn_ends_equal_after_a_quiet_moment(pair: Tracked, pytestconfig: pytest.Config) -> None:
    churn_and_compare(pair, pytestconfig.getoption("--seed"), per_s=100, operations=600)
    lags = [report.lag_s for report in pair.progress if report.lag_s is not None]
    assert max(lags) < 10
    assert lags[-1] < 2
    # The walk that is asked for afterwards says, while it goes on, that it does not know.
    followed = [report for report in pair.progress if report.round_number == 1]
    assert {volume.walked_because for report in followed[-3:] for volume in report.volumes} == {""}


@pytest.mark.parametrize("part", range(4))
def test_rounds_after_many_changes_end_equal(pair: Tracked, pytestconfig: pytest.Config, part: int) -> None:
    seed = pytestconfig.getoption("--seed") + part
    print("seed", seed)  # noqa: T201 - replays a failure
    rng = random.Random(seed)
    source, _ = pair.roots
    random_tree(source, rng, 100)
    pair.source.copy()
    churn = Churn(source, rng)
    for number in range(1, 8):
        for _ in range(rng.choice((1, 5, 40, 150))):
            churn.step()
        pair.sync_and_compare(number)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_churn_family_of_many_seeds(pair: Tracked, pytestconfig: pytest.Config, part: int) -> None:
    churn_and_compare(pair, pytestconfig.getoption("--seed") + part, per_s=100, operations=6000)
