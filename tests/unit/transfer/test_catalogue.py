"""What a walk asks the catalogue for: nothing that may be out of date, and no look at each row."""

from pathlib import Path

import pytest

from agents.source.copy.catalogue import Catalogue
from agents.source.copy.rows import UNHELD, Row
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
