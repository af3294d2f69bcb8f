"""The source goes on changing between the look at a name and what is done about it: the next rounds make up for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tracked import Tracked
from transfer_kit import differences, snapshot

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.classify import Classifier
from agents.source.copy.finish_round import finish_directories, finish_links
from agents.source.copy.listing import ListingsAhead
from agents.source.copy.round_context import RoundContext
from agents.source.copy.rows import UNHELD, Row
from agents.source.copy.visit import DirectoryVisitor
from agents.source.copy.work import OpenDirectory, Work
from agents.transfer.entries import EntryKind

pytestmark = pytest.mark.root
SMALL, LARGE = 100, 3 << 20


def copy_at_rest(pair: Tracked) -> None:
    """What was just changed would be read once more, which hides what is to be seen."""
    time.sleep(2.1)
    pair.source.copy()


def sync_and_compare(pair: Tracked, *, by_changes: bool) -> None:
    """Two rounds: the first of them while the change is made, by what the test has patched."""
    pair.source.sync(1, by_changes=by_changes)
    pair.source.sync(2, by_changes=by_changes)
    assert differences(*map(snapshot, pair.roots)) == []


def once(act: Callable[[], object]) -> Callable[[], None]:
    """The same, but for any call after the first."""
    waiting = [act]
    return lambda: waiting.pop()() if waiting else None


def around_looking_at(
    monkeypatch: pytest.MonkeyPatch,
    wanted: bytes,
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> None:
    """Act when the first look at a directory begins, or has ended; given by its path on the target."""
    look_at, before, after = DirectoryVisitor.look_at, once(before), once(after)

    def late(self: DirectoryVisitor, descriptor: int, path: bytes, *rest: object) -> object:
        if path == wanted:
            before()
        found = look_at(self, descriptor, path, *rest)
        if path == wanted:
            after()
        return found

    monkeypatch.setattr(DirectoryVisitor, "look_at", late)


def before_reading(monkeypatch: pytest.MonkeyPatch, wanted: bytes, act: Callable[[], object]) -> None:
    """Act when a name was looked at and is handed over to be read, for the first time."""
    act_once = once(act)

    class Late(Work):
        def __init__(self, directory: OpenDirectory, items: tuple[Row, ...], **options) -> None:
            super().__init__(directory, items, **options)
            if any(row.name == wanted for row in items):
                act_once()

    monkeypatch.setattr("agents.source.copy.visit.Work", Late)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("by_changes", [False, True])
def test_file_put_over_a_hard_link_gets_into_no_other_name(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch, size: int, by_changes: bool
) -> None:
    source, _ = pair.roots
    (source / "name").write_bytes(b"1" * size)
    os.link(source / "name", source / "other name")
    (source / "aside").write_bytes(b"2" * size)
    copy_at_rest(pair)
    (source / "name").chmod(0o600)
    before_reading(monkeypatch, b"name", lambda: (source / "aside").rename(source / "name"))
    sync_and_compare(pair, by_changes=by_changes)
    assert not (source / "aside").exists()


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("by_changes", [False, True])
def test_new_hard_link_whose_place_is_taken_does_not_stay_out(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch, size: int, by_changes: bool
) -> None:
    source, _ = pair.roots
    (source / "aside").write_bytes(b"2" * size)
    copy_at_rest(pair)
    (source / "first").write_bytes(b"1" * size)
    os.link(source / "first", source / "second")
    before_reading(monkeypatch, b"first", lambda: (source / "aside").rename(source / "first"))
    sync_and_compare(pair, by_changes=by_changes)
    assert not (source / "aside").exists()


@pytest.mark.parametrize("by_changes", [False, True])
def test_name_is_decided_about_once_even_if_it_goes_meanwhile(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch, by_changes: bool
) -> None:
    source, _ = pair.roots
    (source / "name").write_bytes(b"1")
    (source / "aside").write_bytes(b"22")
    (source / "folder").mkdir()
    copy_at_rest(pair)
    (source / "name").chmod(0o600)
    os.link(source / "name", source / "a new name")
    is_still_at = Classifier._is_still_at
    leave = once(lambda: ((source / "aside").rename(source / "name"), (source / "a new name").rename(source / "moved")))

    def late(self: Classifier, *values: object) -> bool:
        leave()
        return is_still_at(self, *values)

    monkeypatch.setattr(Classifier, "_is_still_at", late)
    before_reading(monkeypatch, b"name", leave)
    sync_and_compare(pair, by_changes=by_changes)
    assert (source / "moved").exists()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_link_to_a_name_that_has_gone_is_looked_at_again(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    source, _ = pair.roots
    (source / "folder").mkdir()
    (source / "folder/first").write_bytes(b"1" * size)
    copy_at_rest(pair)
    for name in ("second", "third"):
        os.link(source / "folder/first", source / name)
    os.utime(source / "second", (0, 0))
    around_looking_at(monkeypatch, b"", after=lambda: shutil.rmtree(source / "folder"))
    sync_and_compare(pair, by_changes=True)


def test_large_file_put_over_a_link_to_a_name_that_has_gone_gets_into_no_other_name(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = pair.roots
    (source / "folder").mkdir()
    (source / "folder/first").write_bytes(b"1" * LARGE)
    copy_at_rest(pair)
    for name in ("second", "third"):
        os.link(source / "folder/first", source / name)
    around_looking_at(monkeypatch, b"", after=lambda: shutil.rmtree(source / "folder"))
    pair.source.sync(1, by_changes=True)
    (source / "aside").write_bytes(b"2" * LARGE)
    (source / "aside").rename(source / "second")
    pair.source.sync(2, by_changes=True)
    assert differences(*map(snapshot, pair.roots)) == []


def test_folder_that_was_elsewhere_for_a_moment_is_looked_at_as_a_whole(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = pair.roots
    for name in ("a/folder/inner", "b", "c", "another"):
        (source / name).mkdir(parents=True)
    (source / "another/file of the other").write_bytes(b"2")
    copy_at_rest(pair)
    # The events name b, c and the folder, in this order.
    (source / "a/folder").rename(source / "b/folder")
    (source / "c/folder").write_bytes(b"makes c be looked at, for this name")
    (source / "c/folder").unlink()
    (source / "another").rename(source / "b/folder/inner")
    around_looking_at(monkeypatch, b"c", before=lambda: (source / "b/folder").rename(source / "c/folder"))
    pair.source.sync(1, by_changes=True)
    assert (source / "c/folder").exists()
    (source / "c/folder").rename(source / "b/folder")
    pair.source.sync(2, by_changes=True)
    pair.source.sync(3, by_changes=True)
    assert differences(*map(snapshot, pair.roots)) == []


def test_folder_that_was_moved_away_and_back_during_a_walk_is_where_it_was(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = pair.roots
    (source / "a").mkdir()
    (source / "b/inner").mkdir(parents=True)
    (source / "b/inner/file").write_bytes(b"1")
    copy_at_rest(pair)
    (source / "a/makes it be looked at").write_bytes(b"2")
    (source / "b/inner/another").write_bytes(b"3")
    take = ListingsAhead.take
    away = once(lambda: (source / "b").rename(source / "a/b"))
    back = once(lambda: (source / "a/b").rename(source / "b"))

    def late(self: ListingsAhead, path: bytes, *rest: object) -> object:
        if path == b"a":
            away()
        if path == b"a/b":
            back()
        return take(self, path, *rest)

    monkeypatch.setattr(ListingsAhead, "take", late)
    sync_and_compare(pair, by_changes=False)
    assert (source / "b").exists()


def test_name_is_not_linked_to_a_folder_that_had_its_inode_before(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    root = Row(1, 0, 0, b"", EntryKind.DIRECTORY, 2, sequence=1)
    gone = Row(2, 1, 0, b"gone", EntryKind.DIRECTORY, 77, sequence=1)
    first = Row(3, 1, 0, b"first", EntryKind.REGULAR, 77, sequence=1)
    second = Row(4, 1, 0, b"second", EntryKind.REGULAR, 77, is_pending=True)
    catalogue.put((root, gone, first, second))
    linked: list[bytes] = []
    restructuring = SimpleNamespace(link=lambda _, path, *rest: linked.append(path), flush=lambda: None)
    volume = SimpleNamespace(index=0)
    finish_links(SimpleNamespace(catalogue=catalogue, restructuring=restructuring, volume=volume))  # type: ignore[arg-type]
    catalogue.close()
    assert linked == [b"first"]


def test_new_file_that_is_found_twice_in_a_round_is_one(pair: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    source, _ = pair.roots
    for name in ("b/folder", "c"):
        (source / name).mkdir(parents=True)
    copy_at_rest(pair)
    # The events name the folder, c and b, in this order.
    (source / "b/folder/new").write_bytes(b"1")
    (source / "c/folder").write_bytes(b"makes c be looked at, for this name")
    (source / "c/folder").unlink()
    (source / "b/folder").rename(source / "b/another name")
    (source / "b/another name").rename(source / "b/folder")
    around_looking_at(monkeypatch, b"c", before=lambda: (source / "b/folder").rename(source / "c/folder"))
    around_looking_at(monkeypatch, b"b", before=lambda: (source / "c/folder").rename(source / "b/folder"))
    sync_and_compare(pair, by_changes=True)


def test_name_that_cannot_be_linked_is_forgotten_only_if_the_target_has_nothing_there(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    root = Row(1, 0, 0, b"", EntryKind.DIRECTORY, 2, sequence=1)
    held = Row(2, 1, 0, b"moved here", EntryKind.REGULAR, 77, is_pending=True, sequence=1)
    new = Row(3, 1, 0, b"new", EntryKind.REGULAR, 77, is_pending=True)
    catalogue.put((root, held, new))
    postponed: list[bytes] = []
    context = SimpleNamespace(
        catalogue=catalogue,
        restructuring=SimpleNamespace(flush=lambda: None),
        volume=SimpleNamespace(index=0),
        postpone=lambda _, names: postponed.extend(names),
        tally=SimpleNamespace(vanish=lambda: None),
    )
    finish_links(context)  # type: ignore[arg-type]
    assert (catalogue.get(2).sequence, catalogue.get(2).is_pending) == (UNHELD, False)
    assert catalogue.get(3) is None
    catalogue.close()
    assert sorted(postponed) == [b"moved here", b"new"]


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("by_changes", [False, True])
def test_file_that_moves_on_before_it_is_read_does_not_take_its_successor_along(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch, size: int, by_changes: bool
) -> None:
    source, _ = pair.roots
    (source / "folder").mkdir()
    (source / "name").write_bytes(b"1" * size)
    copy_at_rest(pair)
    (source / "aside").write_bytes(b"2" * size)
    (source / "name").chmod(0o600)
    (source / "folder/moved").touch()
    (source / "folder/moved").unlink()

    def change() -> None:
        (source / "name").rename(source / "folder/moved")
        (source / "aside").rename(source / "name")

    before_reading(monkeypatch, b"name", change)
    sync_and_compare(pair, by_changes=by_changes)
    assert (source / "folder/moved").exists()


def test_folder_in_the_place_of_one_of_the_same_generation_is_looked_at_as_a_whole(
    pair: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = pair.roots
    # Btrfs gives it to all that was made in one transaction.
    for module in ("visit", "tracked_walk"):
        monkeypatch.setattr(f"agents.source.copy.{module}.generation", lambda _: 7)
    copy_at_rest(pair)
    for name in ("folder", "another"):
        (source / name).mkdir()
        (source / name / f"file of {name}").write_bytes(b"1")

    def change() -> None:
        (source / "folder").rename(source / "out")
        (source / "another").rename(source / "folder")

    change_once = once(change)

    def late(context: RoundContext) -> None:
        change_once()
        finish_directories(context)

    monkeypatch.setattr("agents.source.copy.volume_round.finish_directories", late)
    sync_and_compare(pair, by_changes=True)
    assert (source / "folder/file of another").exists()
