"""What every store adapter promises; the same suite runs on SQLite and on a real MongoDB replica set."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest

from contracts.base import Message, MessageKind
from shared.store import (
    AccountRequiredError,
    AlreadyAppliedError,
    Collection,
    ConflictError,
    DuplicateError,
    OutgoingMessage,
    Record,
    Store,
    StoreUnavailableError,
    Unique,
    open_store,
)

TASKS = Collection(
    name="tasks",
    fields=("phase", "is_active"),
    unique=(Unique(name="one_active_task", fields=("account", "server_id"), only_where={"is_active": True}),),
)
HISTORY = Collection(name="history", fields=("task_id",))


class Happened(Message):
    TYPE: ClassVar[str] = "test.happened"
    KIND: ClassVar[MessageKind] = "event"
    number: int


def task(identifier: str, *, account: str = "acme", **data: object) -> Record:
    return Record(collection="tasks", account=account, id=identifier, data={"phase": "READY", **data})


def says(number: int) -> OutgoingMessage:
    return OutgoingMessage.of("sms.v1.evt.acme.task.t1.x", Happened(number=number), source="task", account="acme")


class StoreContract:
    async def test_a_saved_record_is_read_back_with_its_version(self, store: Store) -> None:
        data = {"phase": "READY", "list": [1, {"a.b": None, "$c": 2.5}], "text": "ü€\u2028"}
        assert await store.save(task("t1", **data), expected_version=0) == 1
        assert await store.save(task("t1", **data), expected_version=1) == 2
        found = await store.load("tasks", "acme", "t1")
        assert found is not None
        assert (found.version, found.data) == (2, data)
        assert await store.load("tasks", "acme", "t2") is None

    async def test_a_wrong_version_changes_nothing(self, store: Store) -> None:
        await store.save(task("t1", step=1), expected_version=0)
        for wrong in (0, 2, 7):
            with pytest.raises(ConflictError):
                await store.save(task("t1", step=2), expected_version=wrong, outbox=[says(1)], applied="m1")
        with pytest.raises(ConflictError):
            await store.save(task("t2"), expected_version=1, outbox=[says(1)])
        found = await store.load("tasks", "acme", "t1")
        assert found is not None
        assert (found.version, found.data["step"]) == (1, 1)
        assert await store.pending(10) == []
        assert not await store.was_applied("tasks", "acme", "t1", "m1")

    async def test_of_concurrent_writers_exactly_one_wins(self, store: Store) -> None:
        await store.save(task("t1"), expected_version=0)
        writes = [store.save(task("t1", writer=n), expected_version=1, outbox=[says(n)]) for n in range(10)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [o for o in outcomes if not isinstance(o, ConflictError)] == [2]
        found = await store.load("tasks", "acme", "t1")
        [pending] = await store.pending(10)
        assert found is not None
        assert pending.message.payload == Happened(number=found.data["writer"]).model_dump_json()

    async def test_of_concurrent_creators_exactly_one_wins(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.save(task("t1", writer=n), expected_version=0) for n in range(10)), return_exceptions=True
        )
        assert [o for o in outcomes if not isinstance(o, ConflictError)] == [1]

    async def test_a_message_is_applied_once(self, store: Store) -> None:
        await store.save(task("t1"), expected_version=0, applied="m1")
        with pytest.raises(AlreadyAppliedError):
            await store.save(task("t1"), expected_version=0, applied="m1")
        await store.save(task("t1"), expected_version=1, applied="m2", outbox=[says(1)])
        for version in (1, 2):
            with pytest.raises(AlreadyAppliedError):
                await store.save(task("t1"), expected_version=version, applied="m2", outbox=[says(2)])
        assert await store.was_applied("tasks", "acme", "t1", "m1")
        assert not await store.was_applied("tasks", "acme", "t2", "m1")
        assert len(await store.pending(10)) == 1

    async def test_applied_ids_of_a_record_are_bounded(self, store: Store) -> None:
        await store.save(task("t1"), expected_version=0, applied="m0")
        for n in range(1, 515):
            await store.save(task("t1"), expected_version=n, applied=f"m{n}")
        assert not await store.was_applied("tasks", "acme", "t1", "m0")
        assert await store.was_applied("tasks", "acme", "t1", "m3")

    async def test_outgoing_messages_come_in_the_order_of_the_writes(self, store: Store) -> None:
        messages = [says(n) for n in range(6)]
        await store.save(task("t1"), expected_version=0, outbox=messages[:2])
        await store.save(task("t2"), expected_version=0, outbox=messages[2:3])
        await store.save(task("t1"), expected_version=1, outbox=messages[3:])
        rows = await store.pending(100)
        assert [row.message for row in rows] == messages
        await store.sent([row.token for row in rows[:4]])
        await store.sent([rows[0].token])
        assert [row.message for row in await store.pending(1)] == messages[4:5]
        assert [row.message for row in await store.pending(100)] == messages[4:]

    async def test_saving_wakes_the_relay_only_when_something_leaves(self, store: Store) -> None:
        woken: list[int] = []
        store.on_saved(lambda: woken.append(1))
        await store.save(task("t1"), expected_version=0)
        assert woken == []
        await store.save(task("t1"), expected_version=1, outbox=[says(1)])
        assert woken == [1]

    async def test_a_deletion_keeps_its_messages_and_applied_id(self, store: Store) -> None:
        await store.save(task("t1"), expected_version=0, outbox=[says(1)])
        with pytest.raises(ConflictError):
            await store.delete("tasks", "acme", "t1", expected_version=2)
        await store.delete("tasks", "acme", "t1", expected_version=1, outbox=[says(2)], applied="m1")
        assert await store.load("tasks", "acme", "t1") is None
        assert await store.find("tasks", "acme") == []
        assert await store.count("tasks", "acme") == 0
        assert len(await store.pending(10)) == 2
        with pytest.raises(AlreadyAppliedError):
            await store.delete("tasks", "acme", "t1", expected_version=1, applied="m1")
        with pytest.raises(ConflictError):
            await store.save(task("t1"), expected_version=1)
        assert await store.save(task("t1"), expected_version=0) == 1

    async def test_a_unique_rule_binds_only_where_it_says(self, store: Store) -> None:
        await store.save(task("t1", server_id="s1", is_active=True), expected_version=0)
        with pytest.raises(DuplicateError) as refused:
            await store.save(task("t2", server_id="s1", is_active=True), expected_version=0, outbox=[says(1)])
        assert refused.value.rule == "one_active_task"
        assert refused.value.code == "SMS.DB.DUPLICATE"
        await store.save(task("t2", server_id="s1", is_active=False), expected_version=0)
        with pytest.raises(DuplicateError):
            await store.save(task("t2", server_id="s1", is_active=True), expected_version=1)
        await store.save(task("t3", server_id="s1", is_active=True, account="other"), expected_version=0)
        await store.save(task("t4", server_id=None, is_active=True), expected_version=0)
        await store.save(task("t5", server_id=None, is_active=True), expected_version=0)
        await store.save(task("t1", server_id="s1", is_active=False), expected_version=1)
        await store.save(task("t2", server_id="s1", is_active=True), expected_version=1)
        assert await store.pending(10) == []

    async def test_a_deleted_record_frees_its_unique_value(self, store: Store) -> None:
        await store.save(task("t1", server_id="s1", is_active=True), expected_version=0)
        await store.delete("tasks", "acme", "t1", expected_version=1)
        await store.save(task("t2", server_id="s1", is_active=True), expected_version=0)

    async def test_find_pages_in_order_and_compares_declared_fields(self, store: Store) -> None:
        for n in random.Random(1).sample(range(25), 25):
            phase = "READY" if n % 2 else "COPYING"
            await store.save(task(f"t{n:02}", phase=phase, is_active=bool(n % 3)), expected_version=0)
        await store.save(task("t99", account="other"), expected_version=0)
        found: list[str] = []
        while page := await store.find("tasks", "acme", after=found[-1] if found else "", limit=10):
            found += [record.id for record in page]
        assert found == [f"t{n:02}" for n in range(25)]
        newest = await store.find("tasks", "acme", {"phase": "READY"}, limit=2, newest_first=True)
        assert [record.id for record in newest] == ["t23", "t21"]
        both = await store.find("tasks", "acme", {"phase": "READY", "is_active": False})
        assert [record.id for record in both] == ["t03", "t09", "t15", "t21"]
        assert await store.count("tasks", "acme", {"phase": "COPYING"}) == 13
        with pytest.raises(ValueError, match="declare"):
            await store.find("tasks", "acme", {"secret": "x"})
        with pytest.raises(ValueError, match="not declared"):
            await store.find("unknown", "acme")

    async def test_versions_tell_which_records_have_changed(self, store: Store) -> None:
        for identifier in ("t3", "t1", "t2"):
            await store.save(task(identifier), expected_version=0)
        await store.save(task("t1", step=2), expected_version=1)
        await store.delete("tasks", "acme", "t2", expected_version=1)
        versions = await store.versions("tasks", "acme")
        assert list(versions.items()) == [("t1", 2), ("t3", 1)]
        assert await store.versions("tasks", "other") == {}
        with pytest.raises(AccountRequiredError):
            await store.versions("tasks", "")

    async def test_who_remembers_records_hears_that_somebody_else_has_written(self, store: Store, other: Store) -> None:
        before = await store.foreign_writes()
        await store.save(task("t1"), expected_version=0)
        assert await store.foreign_writes() == before
        await other.save(task("t2"), expected_version=0)
        after = await store.foreign_writes()
        assert after is None or after != before
        assert await store.foreign_writes() == after

    async def test_another_account_sees_and_changes_nothing(self, store: Store) -> None:
        await store.save(task("t1"), expected_version=0)
        assert await store.load("tasks", "other", "t1") is None
        assert await store.find("tasks", "other") == []
        with pytest.raises(ConflictError):
            await store.save(task("t1", account="other"), expected_version=1)
        with pytest.raises(ConflictError):
            await store.delete("tasks", "other", "t1", expected_version=1)

    async def test_a_call_without_an_account_is_refused(self, store: Store) -> None:
        calls = [
            store.load("tasks", "", "t1"),
            store.save(task("t1", account=""), expected_version=0),
            store.delete("tasks", "", "t1", expected_version=1),
            store.find("tasks", ""),
            store.count("tasks", ""),
            store.was_applied("tasks", "", "t1", "m"),
        ]
        for call in calls:
            with pytest.raises(AccountRequiredError):
                await call

    async def test_recovery_finds_the_records_of_all_accounts(self, store: Store) -> None:
        for n in range(12):
            await store.save(task("t1", account=f"a{n}", is_active=n < 7), expected_version=0)
        found = [record.account async for record in store.find_all_accounts("tasks", {"is_active": True})]
        assert sorted(found) == [f"a{n}" for n in range(7)]

    async def test_further_records_are_written_together_or_not_at_all(self, store: Store) -> None:
        def row(n: int) -> Record:
            return Record(collection="history", account="acme", id=f"t1-{n}", data={"task_id": "t1", "n": n})

        await store.save(task("t1"), expected_version=0, also=[row(1), row(2)], outbox=[says(1)], applied="m1")
        assert await store.count("history", "acme", {"task_id": "t1"}) == 2
        with pytest.raises(ConflictError):
            await store.save(task("t1", x=1), expected_version=1, also=[row(3), row(2)], outbox=[says(2)], applied="m2")
        with pytest.raises(AlreadyAppliedError):
            await store.save(task("t1", x=1), expected_version=1, also=[row(4)], applied="m1")
        found = await store.load("tasks", "acme", "t1")
        assert found is not None
        assert (found.version, "x" in found.data) == (1, False)
        assert await store.count("history", "acme") == 2
        assert len(await store.pending(10)) == 1
        assert not await store.was_applied("tasks", "acme", "t1", "m2")

    async def test_what_was_saved_is_there_after_opening_again(self, store: Store, url: str) -> None:
        await store.save(task("t1"), expected_version=0, outbox=[says(1)], applied="m1")
        await store.close()
        again = await open_store(url, "task", (TASKS, HISTORY))
        try:
            assert await again.load("tasks", "acme", "t1") is not None
            assert len(await again.pending(10)) == 1
            assert await again.was_applied("tasks", "acme", "t1", "m1")
        finally:
            await again.close()


class TestSqlite(StoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/store.sqlite"

    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        store = await open_store(url, "task", (TASKS, HISTORY))
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, url: str) -> AsyncIterator[Store]:
        """Another replica's."""
        store = await open_store(url, "task", (TASKS, HISTORY))
        yield store
        await store.close()

    async def test_a_closed_store_is_unavailable(self, store: Store) -> None:
        await store.close()
        with pytest.raises(StoreUnavailableError) as refused:
            await store.load("tasks", "acme", "t1")
        assert refused.value.code == "SMS.DB.UNAVAILABLE"


@pytest.mark.mongod
class TestMongo(StoreContract):
    @pytest.fixture
    def url(self, mongod) -> str:
        return mongod.url.replace("/?", f"/t{uuid.uuid4().hex}?")

    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        store = await open_store(url, "task", (TASKS, HISTORY))
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, url: str) -> AsyncIterator[Store]:
        """Another replica's."""
        store = await open_store(url, "task", (TASKS, HISTORY))
        yield store
        await store.close()

    async def test_a_server_that_is_away_is_unavailable(self) -> None:
        with pytest.raises(StoreUnavailableError) as refused:
            await open_store("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300", "task", (TASKS,))
        assert refused.value.code == "SMS.DB.UNAVAILABLE"
