"""What a walk asks the catalogue for: nothing that may be out of date, and no look at each row."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.rows import STAGED_PARENT, UNHELD, Row
from agents.transfer.entries import EntryKind


@pytest.fixture
def catalogue(tmp_path: Path):
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    yield catalogue
    catalogue.close()


def add(catalogue: Catalogue, parent: int, name: bytes, kind: EntryKind = EntryKind.REGULAR, **fields) -> Row:
    number = catalogue.new_row()
    row = Row(number, parent, 0, name, kind, 1000 + number, **{"sequence": 1, **fields})
    catalogue.put([row])
    return row


def test_an_entry_that_may_differ_has_no_inode_to_be_taken_for_the_same(catalogue: Catalogue) -> None:
    folder = add(catalogue, 0, b"folder", EntryKind.DIRECTORY)
    sure = add(catalogue, folder.row, b"sure")
    for name, fields in (
        (b"racy", {"is_racy": True}),
        (b"partial", {"is_partial": True}),
        (b"pending", {"is_pending": True}),
        (b"unheld", {"sequence": UNHELD}),
    ):
        add(catalogue, folder.row, name, **fields)
    add(catalogue, folder.row, b"inner", EntryKind.DIRECTORY)
    inodes = {name: item[2] for name, item in catalogue.held(folder.row).items()}
    assert inodes.pop(b"sure") == sure.inode
    assert set(inodes) == {b"racy", b"partial", b"pending", b"unheld", b"inner"}
    assert set(inodes.values()) == {None}


def test_what_was_never_sent_cannot_be_lost_and_the_rest_is(catalogue: Catalogue) -> None:
    rows = [add(catalogue, 0, b"file-%d" % number) for number in range(3)]
    for sequence, row in enumerate(rows, start=5):
        row.sequence = sequence
        catalogue.record([row], (), sequence=sequence, wire_bytes=100)
    assert catalogue.lose([(8, 1 << 62)]) == 0
    assert catalogue.lose([(6, 1 << 62)]) == 200
    assert [catalogue.get(row.row).sequence for row in rows] == [5, UNHELD, UNHELD]


def test_names_of_an_inode_are_those_of_its_kind_that_are_in_place(catalogue: Catalogue) -> None:
    first = add(catalogue, 0, b"first")
    folder = add(catalogue, 0, b"folder", EntryKind.DIRECTORY)
    for number, (parent, kind) in enumerate(
        (
            (folder.row, EntryKind.REGULAR),
            (STAGED_PARENT, EntryKind.REGULAR),
            (0, EntryKind.DIRECTORY),
        )
    ):
        row = Row(catalogue.new_row(), parent, 0, b"name-%d" % number, kind, first.inode, sequence=1)
        catalogue.put([row])
    assert catalogue.names_of(0, first.inode, EntryKind.REGULAR) == 2


DIGEST = b"of its listing"


@pytest.mark.parametrize(
    "change",
    [
        lambda catalogue, folder, file: add(catalogue, folder.row, b"further"),
        lambda catalogue, folder, file: catalogue.put([file]),
        lambda catalogue, folder, file: catalogue.mark_pending(file.row),
        lambda catalogue, folder, file: catalogue.forget_large(file.row),
        lambda catalogue, folder, file: catalogue.move(file.row, 0, b"elsewhere"),
        lambda catalogue, folder, file: catalogue.forget(file.row),
        lambda catalogue, folder, file: catalogue.forget(folder.row),
        lambda catalogue, folder, file: catalogue.lose([(0, 1 << 62)]),
    ],
)
def test_listing_is_forgotten_when_anything_in_the_directory_is(catalogue: Catalogue, change: Callable) -> None:
    folder = add(catalogue, 0, b"folder", EntryKind.DIRECTORY)
    file = add(catalogue, folder.row, b"file")
    catalogue.record([file], (), sequence=1, wire_bytes=1)
    catalogue.set_listing(folder.row, DIGEST)
    assert catalogue.listings([folder.row]) == {folder.row: (DIGEST, None)}
    change(catalogue, folder, file)
    assert catalogue.listings([folder.row]) == {}


def test_listing_is_forgotten_where_something_moves_to(catalogue: Catalogue) -> None:
    folder, other = (add(catalogue, 0, name, EntryKind.DIRECTORY) for name in (b"folder", b"other"))
    file = add(catalogue, other.row, b"file")
    catalogue.set_listing(folder.row, DIGEST)
    catalogue.move(file.row, folder.row, b"file")
    assert catalogue.listings([folder.row]) == {}


def test_what_happens_in_a_directory_leaves_the_listing_above_it(catalogue: Catalogue) -> None:
    folder = add(catalogue, 0, b"folder", EntryKind.DIRECTORY)
    inner = add(catalogue, folder.row, b"inner", EntryKind.DIRECTORY)
    catalogue.set_listing(folder.row, DIGEST)
    add(catalogue, inner.row, b"new")
    catalogue.mark_pending(inner.row)
    inner.mtime_ns = 5
    catalogue.put([inner])
    assert catalogue.listings([folder.row]) == {folder.row: (DIGEST, None)}
    inner.inode += 1
    catalogue.put([inner])
    assert catalogue.listings([folder.row]) == {}


def test_path_follows_moves_of_the_directories_above(catalogue: Catalogue) -> None:
    root = add(catalogue, 0, b"", EntryKind.DIRECTORY)
    one, other = (add(catalogue, root.row, name, EntryKind.DIRECTORY) for name in (b"one", b"other"))
    inner = add(catalogue, one.row, b"inner", EntryKind.DIRECTORY)
    files = [add(catalogue, inner.row, name) for name in (b"a", b"b")]
    assert [catalogue.path(row.row) for row in (root, one, *files)] == [b"", b"one", b"one/inner/a", b"one/inner/b"]
    catalogue.move(inner.row, other.row, b"moved")
    assert [catalogue.path(row.row) for row in files] == [b"other/moved/a", b"other/moved/b"]
    catalogue.move(other.row, STAGED_PARENT, b"other")
    assert [catalogue.path(row.row) for row in (root, inner, *files)] == [b"", None, None, None]
    catalogue.forget(one.row)
    assert catalogue.path(one.row) is None


def test_path_may_be_deeper_than_any_call_stack(catalogue: Catalogue) -> None:
    row = add(catalogue, 0, b"", EntryKind.DIRECTORY)
    for _ in range(3000):
        row = add(catalogue, row.row, b"d", EntryKind.DIRECTORY)
    assert catalogue.path(row.row) == b"/".join([b"d"] * 3000)
