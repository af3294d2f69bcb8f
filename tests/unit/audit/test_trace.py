"""The trace on its real store: every later edit of it is found."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.envelope import Envelope
from contracts.messages.audit import AuditRecord, ListRecords, VerifyTrace
from contracts.trace.chain import ChainCheck, TraceHead, chain
from services.audit.domain.entries import UnkeepableError, record_of
from services.audit.handlers import Handlers
from services.audit.records import COLLECTIONS, TraceRecords
from shared.store import AlreadyAppliedError, Store, open_store

EDITS = 1_000
RECORDS = 40


def message(number: int, *, account: str = "acme", task: str = "t1", **attributes: str) -> Envelope:
    return Envelope(
        type="sms.task.changed",
        version=1,
        source="/services/task",
        account=account,
        id=f"m{number}",
        subject=f"sms.v1.evt.{account}.task.{task}.changed",
        **attributes,
    )


def payload(number: int) -> bytes:
    return json.dumps({"number": number, "rate": number / 7, "name": "ü€\U0001f600", "list": [1, None]}).encode()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(f"sqlite:///{tmp_path}/audit.sqlite", "audit", COLLECTIONS)
    yield store
    await store.close()


def handlers_of(store: Store) -> Handlers:
    return Handlers(TraceRecords(store), Ed25519PrivateKey.generate().public_key())


async def fill(handlers: Handlers, count: int = RECORDS) -> None:
    for number in range(count):
        await handlers.on_messages([(payload(number), message(number, task=f"t{number % 3}"))])


async def verify(handlers: Handlers, account: str = "acme"):
    return await handlers.verify_trace(VerifyTrace(), message(0, account=account))


async def test_each_account_has_a_gap_free_sequence_of_its_own(store: Store) -> None:
    handlers = handlers_of(store)
    for number in range(6):
        await handlers.on_messages([(payload(number), message(number, account="acme" if number % 2 else "other"))])
    for account in ("acme", "other"):
        listed = await handlers.list_records(ListRecords(), message(0, account=account))
        assert [record.sequence for record in listed.records] == [1, 2, 3]
        assert {record.account for record in listed.records} == {account}
        verdict = await verify(handlers, account)
        assert (verdict.is_intact, verdict.records, verdict.last_hash) == (True, 3, listed.records[-1].record_hash)


async def test_an_empty_trace_is_intact(store: Store) -> None:
    verdict = await verify(handlers_of(store))
    assert (verdict.is_intact, verdict.records) == (True, 0)


async def test_a_message_is_kept_once_even_when_it_comes_again_much_later(store: Store) -> None:
    handlers = handlers_of(store)
    for number in [*range(520), 0, 519]:
        with suppress(AlreadyAppliedError):
            await handlers.on_messages([(b"{}", message(number))])
    verdict = await verify(handlers)
    assert (verdict.is_intact, verdict.records) == (True, 520)


async def test_pages_and_tasks_can_be_listed(store: Store) -> None:
    handlers = handlers_of(store)
    await fill(handlers)
    seen: list[int] = []
    has_more = True
    while has_more:
        page = await handlers.list_records(ListRecords(after=seen[-1] if seen else 0, limit=7), message(0))
        seen += [record.sequence for record in page.records]
        has_more = page.has_more
    assert seen == list(range(1, RECORDS + 1))
    of_task = await handlers.list_records(ListRecords(task_id="t2", limit=5, after=3), message(0))
    assert [record.sequence for record in of_task.records] == [6, 9, 12, 15, 18]
    assert of_task.has_more


async def test_a_page_fits_into_a_bus_message(store: Store) -> None:
    handlers = handlers_of(store)
    for number in range(4):
        await handlers.on_messages([(json.dumps({"blob": "x" * 300_000}).encode(), message(number))])
    page = await handlers.list_records(ListRecords(), message(0))
    assert len(page.records) == 2
    assert page.has_more
    assert len(page.model_dump_json()) < 1_000_000


# --- edits of the store behind the service's back

Edit = Callable[[sqlite3.Connection, random.Random], str]


def rows(db: sqlite3.Connection) -> list[tuple[str, dict]]:
    found = db.execute("SELECT id, data FROM records WHERE collection='entries' ORDER BY id")
    return [(identifier, json.loads(data)) for identifier, data in found]


def put(db: sqlite3.Connection, identifier: str, data: dict) -> None:
    db.execute("UPDATE records SET data=? WHERE collection='entries' AND id=?", (json.dumps(data), identifier))


def change_a_field(db: sqlite3.Connection, rng: random.Random) -> str:
    identifier, entry = rng.choice(rows(db))
    record = json.loads(entry["record_json"])
    field = rng.choice(sorted(record))
    old = record[field]
    record[field] = {
        int: lambda: old + rng.choice([-1, 1]),
        dict: lambda: {**old, rng.choice(["number", "new"]): rng.random()},
        str: lambda: old + "x" if field != "recorded_at" else "2020-01-01T00:00:00Z",
    }[type(old)]()
    entry["record_json"] = json.dumps(record)
    put(db, identifier, entry)
    return f"{identifier}: {field}"


def flip_a_character(db: sqlite3.Connection, rng: random.Random) -> str:
    identifier, entry = rng.choice(rows(db))
    name = rng.choice(["record_json", "message_id", "task_id"])
    position = rng.randrange(len(entry[name]))
    text = entry[name]
    entry[name] = (
        text[:position] + chr((ord(text[position]) ^ rng.choice([1, 2, 4, 8, 16])) or 65) + text[position + 1 :]
    )
    put(db, identifier, entry)
    return f"{identifier}: {name}[{position}]"


def delete_records(db: sqlite3.Connection, rng: random.Random) -> str:
    found = rows(db)
    first = rng.randrange(len(found))
    last = min(len(found), first + rng.choice([1, 1, 2, 40]))
    for identifier, _ in found[first:last]:
        db.execute("DELETE FROM records WHERE collection='entries' AND id=?", (identifier,))
    return f"{first}..{last}"


def swap_records(db: sqlite3.Connection, rng: random.Random) -> str:
    (one, _), (two, _) = rng.sample(rows(db), 2)
    db.execute("UPDATE records SET id='aside' WHERE collection='entries' AND id=?", (one,))
    db.execute("UPDATE records SET id=? WHERE collection='entries' AND id=?", (one, two))
    db.execute("UPDATE records SET id=? WHERE collection='entries' AND id='aside'", (two,))
    return f"{one} {two}"


def move_a_record(db: sqlite3.Connection, rng: random.Random) -> str:
    identifier, _ = rng.choice(rows(db))
    db.execute(
        "UPDATE records SET id=? WHERE collection='entries' AND id=?", (f"{rng.randrange(100, 999):016}", identifier)
    )
    return identifier


def add_a_record(db: sqlite3.Connection, rng: random.Random) -> str:
    """A well-made record, chained behind any other: whoever adds it knows how the hash is made."""
    found = rows(db)
    _, entry = rng.choice(found)
    before = AuditRecord.model_validate_json(entry["record_json"])
    forged, _ = chain(
        before.model_copy(update={"message_id": "forged", "data": {"forged": True}}),
        TraceHead(sequence=before.sequence, record_hash=before.record_hash),
    )
    data = {**entry, "message_id": "forged", "record_json": forged.model_dump_json()}
    identifier = rng.choice([f"{before.sequence + 1:016}", f"{len(found) + 1:016}", f"{before.sequence:016}a"])
    db.execute("INSERT OR REPLACE INTO records VALUES ('entries', 'acme', ?, 1, ?)", (identifier, json.dumps(data)))
    return identifier


def rewrite_from_the_middle(db: sqlite3.Connection, rng: random.Random) -> str:
    """Change one record and chain all later ones anew, but not the head."""
    found = rows(db)
    start = rng.randrange(len(found))
    previous = AuditRecord.model_validate_json(found[start - 1][1]["record_json"]) if start else None
    head = TraceHead(sequence=previous.sequence, record_hash=previous.record_hash) if previous else TraceHead()
    for number, (identifier, entry) in enumerate(found[start:]):
        record = AuditRecord.model_validate_json(entry["record_json"])
        if number == 0:
            record = record.model_copy(update={"actor": "somebody else"})
        record, head = chain(record, head)
        put(db, identifier, {**entry, "record_json": record.model_dump_json()})
    return str(start)


def change_the_head(db: sqlite3.Connection, rng: random.Random) -> str:
    [data] = db.execute("SELECT data FROM records WHERE collection='heads'").fetchone()
    head = json.loads(data)
    if rng.random() < 0.5:
        head["sequence"] += rng.choice([-1, 1, 7])
    else:
        head["record_hash"] = f"{rng.getrandbits(256):064x}"
    db.execute("UPDATE records SET data=? WHERE collection='heads'", (json.dumps(head),))
    return str(head)


EDIT_KINDS: tuple[Edit, ...] = (
    change_a_field,
    flip_a_character,
    delete_records,
    swap_records,
    move_a_record,
    add_a_record,
    rewrite_from_the_middle,
    change_the_head,
)


async def test_every_one_of_a_thousand_random_edits_is_found(
    store: Store, tmp_path: Path, random_source: random.Random
) -> None:
    handlers = handlers_of(store)
    await fill(handlers)
    assert (await verify(handlers)).is_intact
    db = sqlite3.connect(tmp_path / "audit.sqlite", isolation_level=None)
    # Whoever can write to the file is not held up by an index.
    db.execute("DROP INDEX unique_entries__one_record_per_message")
    saved = db.execute("SELECT * FROM records").fetchall()
    missed = []
    for number in range(EDITS):
        edit = EDIT_KINDS[number % len(EDIT_KINDS)]
        db.execute("BEGIN")
        what = edit(db, random_source)
        db.execute("COMMIT")
        verdict = await verify(handlers)
        if verdict.is_intact or not verdict.reason or verdict.broken_at < 1:
            missed.append((edit.__name__, what, verdict))
        db.execute("BEGIN")
        db.execute("DELETE FROM records")
        db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", saved)
        db.execute("COMMIT")
    db.close()
    assert missed == []
    assert (await verify(handlers)).is_intact


def test_the_first_broken_record_is_named() -> None:
    records = []
    head = TraceHead()
    for number in range(5):
        record, head = chain(record_of(payload(number), message(number), now=datetime.now(UTC)), head)
        records.append(record)
    records[2] = records[2].model_copy(update={"actor": "x"})
    check = ChainCheck("acme")
    for record in records:
        check.add(record)
    verdict = check.result(sequence=head.sequence, record_hash=head.record_hash)
    assert (verdict.is_intact, verdict.broken_at, verdict.reason) == (False, 3, "the record was changed")


def test_what_is_no_json_object_cannot_be_kept() -> None:
    for hostile in (b"", b"\xff", b"[1]", b"{", b'{"a":"\\ud800"}', b"[" * 100_000, b"7" * 10_000):
        with pytest.raises(UnkeepableError):
            record_of(hostile, message(1), now=datetime.now(UTC))
    with pytest.raises(UnkeepableError):
        record_of(b"{}", message(1, account=""), now=datetime.now(UTC))


def test_odd_numbers_are_hashed_as_they_will_be_read() -> None:
    for odd in (b'{"n":1e999}', b'{"n":-0.0}', b'{"n":123456789012345678901234567890}', b'{"n":NaN}', b'{"n":1e-400}'):
        record, _ = chain(record_of(odd, message(1), now=datetime.now(UTC)), TraceHead())
        check = ChainCheck("acme")
        check.add(AuditRecord.model_validate_json(record.model_dump_json()))
        assert not check.is_broken, odd
