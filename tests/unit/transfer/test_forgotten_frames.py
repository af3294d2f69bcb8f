"""A killed source has forgotten what it had sent last; the target has it all the same."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from transfer_kit import Pair, differences, set_flags, snapshot

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.catalogue_frames import AFTER_REBOOT, BOOT, IS_OPEN, IS_UNSURE
from agents.source.copy.restore import Restoration
from agents.source.copy.sender import Output
from agents.source.copy.session import SourceSession
from agents.transfer.entries import Entry, EntryKind, encode_group
from agents.transfer.verification import RESULT, Status
from contracts.errors.code import MigrationError

pytestmark = pytest.mark.root
LARGE = 5 << 20


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "folder/inner").mkdir(parents=True)
    target.mkdir()
    for name, size in (("file", 10), ("folder/file", 10), ("folder/inner/file", 10), ("large", LARGE)):
        (source / name).write_bytes(b"1" * size)
    os.link(source / "file", source / "linked")
    pair = Pair(tmp_path, {0: (source, target, "/")})
    yield pair
    pair.close()


def forget_a_round(pair: Pair, change: Callable[[Path], object]) -> None:
    """A round of a source that is killed before any of it is committed, and a new source."""
    source, state = pair.folder / "source", pair.folder / "source-state"
    shutil.copytree(state, pair.folder / "before")
    change(source)
    pair.source.sync(1)
    shutil.rmtree(state)
    (pair.folder / "before").rename(state)
    pair.source = pair.new_source()
    with pair.source._catalogue() as catalogue:
        # Committed when the round began.
        catalogue.set_fact(IS_OPEN, 1)


def compare_after(pair: Pair) -> None:
    pair.source.sync(2)
    assert differences(snapshot(pair.folder / "source"), snapshot(pair.folder / "target")) == []


def move(source: Path, old: str, new: str) -> None:
    (source / old).rename(source / new)


CHANGES = {
    "file that came and went": (
        lambda source: (source / "new").write_bytes(b"2"),
        lambda source: (source / "new").unlink(),
    ),
    "folder that came and went": (
        lambda source: shutil.copytree(source / "folder", source / "new folder"),
        lambda source: shutil.rmtree(source / "new folder"),
    ),
    "contents that came and went": (
        lambda source: (source / "file").write_bytes(b"2" * 10),
        lambda source: (source / "file").write_bytes(b"1" * 10),
    ),
    "mode that came and went": (
        lambda source: (source / "file").chmod(0o4711),
        lambda source: (source / "file").chmod(0o644),
    ),
    "name that came and went": (
        lambda source: move(source, "file", "folder/moved"),
        lambda source: move(source, "folder/moved", "file"),
    ),
    "folder that was elsewhere": (
        lambda source: move(source, "folder", "moved"),
        lambda source: move(source, "moved", "folder"),
    ),
    "file that had gone": (
        lambda source: (source / "folder/file").unlink(),
        lambda source: (source / "folder/file").write_bytes(b"1" * 10),
    ),
    "folder that is elsewhere": (lambda source: move(source, "folder", "moved"), lambda _: None),
    "link that came and went": (
        lambda source: os.link(source / "large", source / "folder/link"),
        lambda source: (source / "folder/link").unlink(),
    ),
    "file in the place of a folder": (
        lambda source: (move(source, "folder/inner", "out"), (source / "folder/inner").write_bytes(b"2")),
        lambda source: ((source / "folder/inner").unlink(), move(source, "out", "folder/inner")),
    ),
    "immutable file that came and went": (
        lambda source: ((source / "new").write_bytes(b"2"), set_flags(source / "new", 0x10)),
        lambda source: (set_flags(source / "new", 0), (source / "new").unlink()),
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_was_sent_and_forgotten_is_undone_on_the_target(pair: Pair, kind: str) -> None:
    change, undo = CHANGES[kind]
    pair.source.copy()
    forget_a_round(pair, change)
    undo(pair.folder / "source")
    compare_after(pair)


def test_large_file_is_sent_again_as_a_whole_only_if_the_source_has_been_without_power(pair: Pair) -> None:
    pair.source.copy()

    def change(source: Path) -> None:
        with open(source / "large", "r+b") as file:
            file.write(b"2")

    forget_a_round(pair, change)
    with pair.source._catalogue() as catalogue:
        catalogue.set_fact(BOOT, 1)
    (pair.folder / "source/large").write_bytes(b"1" * LARGE)
    compare_after(pair)


def killed_at_the_first_send(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, work: Callable[[SourceSession], object]
) -> None:
    """What a source does, and a new source that knows only what was committed when the first frame was sent."""
    state, killed = pair.folder / "source-state", pair.folder / "killed"
    send, turn = Output.send, threading.Lock()

    def copy_and_send(self: Output, *values: object, **options: object) -> None:
        # Several threads send; none may do so before the copy is whole.
        with turn:
            if not killed.exists():
                shutil.copytree(state, killed)
        send(self, *values, **options)

    monkeypatch.setattr(Output, "send", copy_and_send)
    work(pair.source)
    monkeypatch.undo()
    shutil.rmtree(state)
    killed.rename(state)
    pair.source = pair.new_source()


def test_chunk_that_is_on_its_way_is_noted_before(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.source.copy()
    with open(pair.folder / "source/large", "r+b") as file:
        file.write(b"2")
    killed_at_the_first_send(pair, monkeypatch, lambda source: source.sync(1))
    (pair.folder / "source/large").write_bytes(b"1" * LARGE)
    summary = pair.source.sync(2)
    assert differences(snapshot(pair.folder / "source"), snapshot(pair.folder / "target")) == []
    assert summary.bytes_content <= 1 << 20, "only the chunk"


def test_copy_that_is_killed_before_its_first_commit_leaves_nothing_on_the_target(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at_the_first_send(pair, monkeypatch, lambda source: source.copy())
    with pair.source._catalogue() as catalogue:
        assert catalogue.root(0) is None
    shutil.rmtree(pair.folder / "source/folder")
    pair.source.copy()
    assert differences(snapshot(pair.folder / "source"), snapshot(pair.folder / "target")) == []


def test_source_that_ends_in_order_compares_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.source.copy()
    (pair.folder / "source/new").write_bytes(b"2")
    pair.source.sync(1)
    pair.source = pair.new_source()
    monkeypatch.setattr("agents.source.copy.session.Restoration.run", lambda *_: pytest.fail("compared"))
    pair.source.sync(2)


def test_entries_left_out_are_not_removed(pair: Pair) -> None:
    pair.source_options["excludes"] = ("/left-out",)
    pair.source = pair.new_source()
    pair.source.copy()
    target = pair.folder / "target"
    (target / "left-out").mkdir()
    (target / "left-out/of the target").write_bytes(b"t")
    forget_a_round(pair, lambda source: (source / "new").write_bytes(b"2"))
    (pair.folder / "source/new").unlink()
    pair.source.sync(2)
    assert (target / "left-out/of the target").exists()
    assert not (target / "new").exists()


def test_move_that_was_lost_with_the_power_of_the_target_is_made_again(pair: Pair) -> None:
    pair.source.copy()
    source, target = pair.folder / "source", pair.folder / "target"
    move(source, "folder", "moved")
    pair.source.sync(1)
    with pair.without_target() as journal:
        # As after a power cut: the tree and the journal of the moment before the round.
        move(target, "moved", "folder")
        mark = journal.state.sessions[-1]
        lost = mark.model_copy(update={"applied": mark.first - 1, "durable": mark.first - 1})
        sessions = (*journal.state.sessions[:-1], lost)
        journal.write(journal.state.model_copy(update={"sessions": sessions}), is_durable=True)
    with pair.source._catalogue() as catalogue:
        # What is durable is folded; here it was not.
        catalogue.record((), (), sequence=mark.first, wire_bytes=0)
    compare_after(pair)


@pytest.mark.parametrize(
    ("is_running", "status", "row"),
    [(False, Status.EXTRA, 0), (True, Status.DIFFERENT, 999), (True, Status.MISSING, 1)],
    ids=["that nobody asked for", "on no entry", "on another entry"],
)
def test_verdict_is_refused(pair: Pair, is_running: bool, status: Status, row: int) -> None:
    pair.source.copy()
    entry = Entry(EntryKind.REGULAR, b"x", row=row, data=RESULT.pack(status, 0))
    with pair.source._catalogue() as catalogue:
        restoration = Restoration(catalogue, pair.volumes, pair.source._exclusions)
        restoration._is_running = is_running
        with pytest.raises(MigrationError, match=r"SMS\.TRANSFER\.PROTOCOL"):
            restoration.take_result(b"".join(encode_group(0, b"", [entry])))


def test_second_kill_does_not_hide_that_the_source_was_without_power(pair: Pair) -> None:
    pair.source.copy()
    with pair.source._catalogue() as catalogue:
        catalogue.be_unsure(AFTER_REBOOT)
        catalogue.be_unsure()
        assert catalogue.fact(IS_UNSURE) == AFTER_REBOOT


def test_session_that_could_not_write_something_down_is_followed_by_a_comparison(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.source.copy()
    (pair.folder / "source/new").write_bytes(b"2")

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Catalogue, "record", fail)
    with pytest.raises(sqlite3.OperationalError):
        pair.source.sync(1)
    monkeypatch.undo()
    (pair.folder / "source/new").unlink()
    compare_after(pair)
