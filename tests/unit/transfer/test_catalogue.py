"""What a walk asks the catalogue for: many directories at a time, nothing out of date, and no look at each row."""

from pathlib import Path

import pytest

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.held_ahead import HeldAhead
from agents.source.copy.rows import UNHELD, Row
from agents.transfer.entries import EntryKind

NOTHING_FURTHER: tuple[int, ...] = ()


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


def folder_of(catalogue: Catalogue, parent: int, name: bytes, *, files: int) -> Row:
    folder = add(catalogue, parent, name, EntryKind.DIRECTORY)
    for number in range(files):
        add(catalogue, folder.row, b"file-%d" % number)
    return folder


def test_many_directories_at_once_are_as_one_by_one(catalogue: Catalogue) -> None:
    root = add(catalogue, 0, b"", EntryKind.DIRECTORY)
    folders = [folder_of(catalogue, root.row, b"folder-%d" % number, files=number) for number in range(5)]
    numbers = [root.row, *(folder.row for folder in folders)]
    together = catalogue.held_in(numbers, limit=1000)
    assert together == {number: catalogue.held(number) for number in numbers}
    assert [len(held) for held in together.values()] == [5, 0, 1, 2, 3, 4]


def test_a_limit_leaves_out_whole_directories_only(catalogue: Catalogue) -> None:
    folders = [folder_of(catalogue, 0, b"folder-%d" % number, files=10) for number in range(6)]
    found = catalogue.held_in([folder.row for folder in folders], limit=25)
    assert {number: len(held) for number, held in found.items()} == {folder.row: 10 for folder in folders[:3]}


def test_what_is_asked_for_ahead_is_forgotten_when_something_moves(catalogue: Catalogue) -> None:
    near, far = (folder_of(catalogue, 0, name, files=3) for name in (b"near", b"far"))
    ahead = HeldAhead(catalogue)
    assert len(ahead.take(near.row, [far.row])) == 3
    moved = catalogue.held(far.row)[b"file-1"][1]
    catalogue.move(moved, near.row, b"moved")
    assert set(ahead.take(far.row, NOTHING_FURTHER)) == {b"file-0", b"file-2"}


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
    inodes = {name: item[3] for name, item in catalogue.held(folder.row).items()}
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
