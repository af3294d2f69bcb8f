"""The embedded store: SQLite in one thread, WAL with a full sync at every commit."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from shared.store.port import (
    APPLIED_IDS_KEPT,
    AlreadyAppliedError,
    Collection,
    ConflictError,
    DuplicateError,
    OutgoingMessage,
    PendingMessage,
    Record,
    Scalar,
    StoreUnavailableError,
    require_account,
)
from shared.store.sqlite_schema import SCHEMA, field, index_statements

T = TypeVar("T")
_PAGE: Final = 500
_APPLIED_KEPT_S: Final = 7 * 24 * 3600


class SqliteStore:
    """The Store port on one file; statements run in a thread of their own, one after another."""

    def __init__(self, path: Path, service: str, collections: Sequence[Collection]) -> None:
        self._path = path
        self._service = service
        self._collections = {collection.name: collection for collection in collections}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._wakers: list[Callable[[], None]] = []

    async def open(self) -> None:
        """Create the file, tables and indexes as needed."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(self._service, str(error)) from error

    async def close(self) -> None:
        """Close the file; calls that are under way are finished first."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=True)

    async def load(self, collection: str, account: str, identifier: str) -> Record | None:
        """See Store."""
        self._declared(collection)
        require_account(account)
        return await self._run(lambda db: self._load(db, collection, account, identifier))

    async def save(
        self,
        record: Record,
        *,
        expected_version: int,
        outbox: Sequence[OutgoingMessage] = (),
        applied: str | None = None,
        also: Sequence[Record] = (),
    ) -> int:
        """See Store."""
        for each in (record, *also):
            self._declared(each.collection)
            require_account(each.account)

        def write(db: sqlite3.Connection) -> int:
            with self._transaction(db):
                self._apply(db, record.collection, record.account, record.id, applied)
                self._write(db, record, expected_version)
                for other in also:
                    self._write(db, other, 0)
                self._enqueue(db, outbox)
            return expected_version + 1

        version = await self._run(write)
        self._wake(outbox)
        return version

    async def delete(
        self,
        collection: str,
        account: str,
        identifier: str,
        *,
        expected_version: int,
        outbox: Sequence[OutgoingMessage] = (),
        applied: str | None = None,
    ) -> None:
        """See Store."""
        self._declared(collection)
        require_account(account)

        def remove(db: sqlite3.Connection) -> None:
            with self._transaction(db):
                self._apply(db, collection, account, identifier, applied)
                done = db.execute(
                    "DELETE FROM records WHERE collection=? AND account=? AND id=? AND version=?",
                    (collection, account, identifier, expected_version),
                )
                if done.rowcount != 1:
                    raise ConflictError(collection, identifier, expected_version)
                self._enqueue(db, outbox)

        await self._run(remove)
        self._wake(outbox)

    async def was_applied(self, collection: str, account: str, identifier: str, message_id: str) -> bool:
        """See Store."""
        self._declared(collection)
        require_account(account)
        return await self._run(lambda db: self._is_applied(db, collection, account, identifier, message_id))

    async def find(
        self,
        collection: str,
        account: str,
        where: Mapping[str, Scalar] | None = None,
        *,
        after: str = "",
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Record]:
        """See Store."""
        require_account(account)
        condition, values = self._condition(collection, where)
        condition, values = f"{condition} AND account=?", [*values, account]
        if after:
            condition, values = f"{condition} AND id {'<' if newest_first else '>'} ?", [*values, after]
        order = "DESC" if newest_first else "ASC"
        statement = f"SELECT account, id, version, data FROM records WHERE {condition} ORDER BY id {order} LIMIT ?"  # noqa: S608 - names are checked, values are bound
        return await self._run(lambda db: self._records(db, collection, statement, [*values, limit]))

    async def count(self, collection: str, account: str, where: Mapping[str, Scalar] | None = None) -> int:
        """See Store."""
        require_account(account)
        condition, values = self._condition(collection, where)
        statement = f"SELECT count(*) FROM records WHERE {condition} AND account=?"  # noqa: S608 - names are checked, values are bound
        return await self._run(lambda db: int(db.execute(statement, [*values, account]).fetchone()[0]))

    async def versions(self, collection: str, account: str) -> dict[str, int]:
        """See Store."""
        self._declared(collection)
        require_account(account)
        statement = "SELECT id, version FROM records WHERE collection=? AND account=? ORDER BY id"
        return await self._run(lambda db: dict(db.execute(statement, (collection, account))))

    async def foreign_writes(self) -> int | None:
        """See Store."""
        # What other connections have committed: https://www.sqlite.org/pragma.html#pragma_data_version
        return await self._run(lambda db: int(db.execute("PRAGMA data_version").fetchone()[0]))

    async def find_all_accounts(
        self, collection: str, where: Mapping[str, Scalar] | None = None
    ) -> AsyncIterator[Record]:
        """See Store."""
        condition, values = self._condition(collection, where)
        statement = (
            f"SELECT account, id, version, data FROM records WHERE {condition} AND (account, id) > (?, ?)"  # noqa: S608 - names are checked, values are bound
            f" ORDER BY account, id LIMIT {_PAGE}"
        )
        last = ("", "")
        while True:
            bound = [*values, *last]
            page = await self._run(lambda db, bound=bound: self._records(db, collection, statement, bound))  # type: ignore[misc]
            for record in page:
                yield record
            if len(page) < _PAGE:
                return
            last = (page[-1].account, page[-1].id)

    async def pending(self, limit: int) -> list[PendingMessage]:
        """See Store."""

        def read(db: sqlite3.Connection) -> list[PendingMessage]:
            rows = db.execute(
                "SELECT number, message_id, subject, headers, payload FROM outbox ORDER BY number LIMIT ?", (limit,)
            )
            return [
                PendingMessage(
                    token=str(number),
                    message=OutgoingMessage(
                        message_id=message_id, subject=subject, headers=json.loads(headers), payload=payload
                    ),
                )
                for number, message_id, subject, headers, payload in rows
            ]

        return await self._run(read)

    async def sent(self, tokens: Sequence[str]) -> None:
        """See Store."""

        def remove(db: sqlite3.Connection) -> None:
            with self._transaction(db):
                db.executemany("DELETE FROM outbox WHERE number=?", [(int(token),) for token in tokens])

        await self._run(remove)

    def on_saved(self, wake: Callable[[], None]) -> None:
        """See Store."""
        self._wakers.append(wake)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
        self._path.chmod(0o600)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        # What is deleted (sealed keys) must not stay readable in free pages.
        db.execute("PRAGMA secure_delete=ON")
        db.executescript(SCHEMA)
        for collection in self._collections.values():
            for statement in index_statements(collection):
                db.execute(statement)
        db.execute("DELETE FROM inbox WHERE applied_at_s < ?", (int(time.time()) - _APPLIED_KEPT_S,))
        self._connection = db

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise StoreUnavailableError(self._service, "it is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, connection)
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(self._service, str(error)) from error

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Iterator[None]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _load(self, db: sqlite3.Connection, collection: str, account: str, identifier: str) -> Record | None:
        statement = "SELECT account, id, version, data FROM records WHERE collection=? AND account=? AND id=?"
        found = self._records(db, collection, statement, [collection, account, identifier])
        return found[0] if found else None

    @staticmethod
    def _records(db: sqlite3.Connection, collection: str, statement: str, values: Sequence[Scalar]) -> list[Record]:
        return [
            Record(collection=collection, account=account, id=identifier, version=version, data=json.loads(data))
            for account, identifier, version, data in db.execute(statement, values)
        ]

    def _write(self, db: sqlite3.Connection, record: Record, expected_version: int) -> None:
        data = json.dumps(record.data, separators=(",", ":"), ensure_ascii=False)
        key = (record.collection, record.account, record.id)
        try:
            if expected_version == 0:
                done = db.execute(
                    "INSERT INTO records VALUES (?, ?, ?, 1, ?) ON CONFLICT (collection, account, id) DO NOTHING",
                    (*key, data),
                )
            else:
                done = db.execute(
                    "UPDATE records SET version=version+1, data=?"
                    " WHERE collection=? AND account=? AND id=? AND version=?",
                    (data, *key, expected_version),
                )
        except sqlite3.IntegrityError as error:
            raise self._duplicate(record, error) from error
        if done.rowcount != 1:
            raise ConflictError(record.collection, record.id, expected_version)

    @staticmethod
    def _duplicate(record: Record, error: sqlite3.IntegrityError) -> DuplicateError:
        # "UNIQUE constraint failed: index 'unique_<collection>__<rule>'"
        rule = str(error).rpartition("__")[2].rstrip("'")
        return DuplicateError(record.collection, record.id, rule)

    @staticmethod
    def _is_applied(db: sqlite3.Connection, collection: str, account: str, identifier: str, message_id: str) -> bool:
        statement = "SELECT 1 FROM inbox WHERE collection=? AND account=? AND id=? AND message_id=?"
        return db.execute(statement, (collection, account, identifier, message_id)).fetchone() is not None

    def _apply(
        self, db: sqlite3.Connection, collection: str, account: str, identifier: str, applied: str | None
    ) -> None:
        if applied is None:
            return
        if self._is_applied(db, collection, account, identifier, applied):
            raise AlreadyAppliedError(applied)
        key = (collection, account, identifier)
        db.execute(
            "INSERT INTO inbox (collection, account, id, message_id, applied_at_s) VALUES (?, ?, ?, ?, ?)",
            (*key, applied, int(time.time())),
        )
        db.execute(
            "DELETE FROM inbox WHERE collection=? AND account=? AND id=? AND number <= (SELECT number FROM inbox"
            " WHERE collection=? AND account=? AND id=? ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (*key, *key, APPLIED_IDS_KEPT),
        )

    @staticmethod
    def _enqueue(db: sqlite3.Connection, outbox: Sequence[OutgoingMessage]) -> None:
        db.executemany(
            "INSERT INTO outbox (message_id, subject, headers, payload) VALUES (?, ?, ?, ?)",
            [(each.message_id, each.subject, json.dumps(dict(each.headers)), each.payload) for each in outbox],
        )

    def _condition(self, collection: str, where: Mapping[str, Scalar] | None) -> tuple[str, list[Scalar]]:
        self._declared(collection).check_findable(where or {})
        # The collection is written out, since only so is SQLite sure that the partial index covers the query.
        condition = f"collection='{collection}'"
        values: list[Scalar] = []
        for name, value in (where or {}).items():
            condition += f" AND {field(name)}=?"
            values.append(value)
        return condition, values

    def _declared(self, collection: str) -> Collection:
        if collection not in self._collections:
            raise ValueError(f"collection {collection!r} was not declared")
        return self._collections[collection]

    def _wake(self, outbox: Sequence[OutgoingMessage]) -> None:
        if outbox:
            for wake in self._wakers:
                wake()
