"""The MongoDB store: one document per record, which also holds its outbox rows and applied ids.

The only module that imports motor, whose successor is pymongo's own asynchronous client.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.store.mongo_documents import (
    document_key,
    live_query,
    message_ids_by_document,
    outbox_row,
    path,
    read_record,
    read_rows,
    rule_condition,
)
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

_WRITE_TIMEOUT_MS: Final = 10_000
_SERVER_SELECTION_TIMEOUT_MS: Final = 5_000
_DELETED_KEPT_S: Final = 7 * 24 * 3600


class MongoStore:
    """The Store port on a replica set: majority writes with journal, majority reads from the primary.

    A deleted record stays for a week as a document without data, since it holds applied ids and unsent
    outbox rows. ``also`` is the one write that takes a transaction.
    """

    def __init__(self, url: str, service: str, collections: Sequence[Collection]) -> None:
        self._service = service
        self._collections = {collection.name: collection for collection in collections}
        timeouts: dict[str, Any] = {"serverSelectionTimeoutMS": _SERVER_SELECTION_TIMEOUT_MS}
        # The driver lets an argument win over the URL; whoever writes a time into the URL means it.
        if "serverselectiontimeoutms" in url.lower():
            timeouts = {}
        self._client: Any = AsyncIOMotorClient(
            url,
            w="majority",
            journal=True,
            wTimeoutMS=_WRITE_TIMEOUT_MS,
            readConcernLevel="majority",
            retryWrites=True,
            connectTimeoutMS=_SERVER_SELECTION_TIMEOUT_MS,
            appname=f"sms-{service}",
            **timeouts,
        )
        self._database: Any = self._client.get_default_database(default=f"sms_{service}")
        self._wakers: list[Callable[[], None]] = []
        self._last_order = 0

    async def open(self) -> None:
        """Create the indexes as needed."""
        async with self._mapped_errors():
            for collection in self._collections.values():
                await self._create_indexes(collection)

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()

    async def load(self, collection: str, account: str, identifier: str) -> Record | None:
        """See Store."""
        self._declared(collection)
        require_account(account)
        async with self._mapped_errors():
            found = await self._database[collection].find_one({"_id": document_key(account, identifier), "live": True})
        return None if found is None else read_record(self._declared(collection), found)

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
        async with self._mapped_errors():
            if also:
                await self._save_together(record, expected_version, outbox, applied, also)
            else:
                await self._write(record, expected_version, outbox, applied, session=None)
        self._wake(outbox)
        return expected_version + 1

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
        gone = Record(collection=collection, account=account, id=identifier, data={})
        async with self._mapped_errors():
            update = self._update(gone, outbox, applied)
            update["$set"] = {"live": False, "deleted_at": datetime.now(UTC)}
            update["$unset"] = {"data": ""}
            await self._update_live(gone, expected_version, update, applied, session=None)
        self._wake(outbox)

    async def was_applied(self, collection: str, account: str, identifier: str, message_id: str) -> bool:
        """See Store."""
        self._declared(collection)
        require_account(account)
        async with self._mapped_errors():
            query = {"_id": document_key(account, identifier), "applied": message_id}
            return await self._database[collection].find_one(query, {"_id": 1}) is not None

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
        query = self._query(collection, where) | {"account": account}
        if after:
            query["id"] = {"$lt" if newest_first else "$gt": after}
        async with self._mapped_errors():
            cursor = self._database[collection].find(query).sort("id", -1 if newest_first else 1).limit(limit)
            return [read_record(self._declared(collection), found) async for found in cursor]

    async def count(self, collection: str, account: str, where: Mapping[str, Scalar] | None = None) -> int:
        """See Store."""
        require_account(account)
        query = self._query(collection, where) | {"account": account}
        async with self._mapped_errors():
            return int(await self._database[collection].count_documents(query))

    async def versions(self, collection: str, account: str) -> dict[str, int]:
        """See Store."""
        require_account(account)
        query = self._query(collection, None) | {"account": account}
        async with self._mapped_errors():
            cursor = self._database[collection].find(query, {"_id": 0, "id": 1, "version": 1}).sort("id", 1)
            return {found["id"]: found["version"] async for found in cursor}

    async def foreign_writes(self) -> int | None:
        """See Store."""
        return None

    async def find_all_accounts(
        self, collection: str, where: Mapping[str, Scalar] | None = None
    ) -> AsyncIterator[Record]:
        """See Store."""
        query = self._query(collection, where)
        async with self._mapped_errors():
            async for found in self._database[collection].find(query).sort("_id", 1):
                yield read_record(self._declared(collection), found)

    async def pending(self, limit: int) -> list[PendingMessage]:
        """See Store."""
        rows: list[tuple[int, PendingMessage]] = []
        async with self._mapped_errors():
            for collection in self._collections:
                cursor = self._database[collection].find({"outbox.order": {"$gt": 0}}, {"outbox": 1})
                async for found in cursor.sort("outbox.order", 1).limit(limit):
                    rows += read_rows(collection, found)
        rows.sort(key=lambda row: row[0])
        return [message for _, message in rows[:limit]]

    async def sent(self, tokens: Sequence[str]) -> None:
        """See Store."""
        async with self._mapped_errors():
            for (collection, key), message_ids in message_ids_by_document(tokens).items():
                removed = {"$pull": {"outbox": {"id": {"$in": message_ids}}}}
                await self._database[collection].update_one({"_id": key}, removed)

    def on_saved(self, wake: Callable[[], None]) -> None:
        """See Store."""
        self._wakers.append(wake)

    async def _create_indexes(self, collection: Collection) -> None:
        documents = self._database[collection.name]
        await documents.create_index([("account", 1), ("id", 1)])
        await documents.create_index("outbox.order", sparse=True)
        await documents.create_index("deleted_at", expireAfterSeconds=_DELETED_KEPT_S)
        for name in collection.fields:
            await documents.create_index([(path(name), 1), ("account", 1), ("id", 1)], name=f"field_{name}")
        for rule in collection.unique:
            await documents.create_index(
                [(path(name), 1) for name in rule.fields],
                name=f"unique__{rule.name}",
                unique=True,
                partialFilterExpression=rule_condition(rule),
            )

    async def _save_together(
        self,
        record: Record,
        expected_version: int,
        outbox: Sequence[OutgoingMessage],
        applied: str | None,
        also: Sequence[Record],
    ) -> None:
        async def work(session: Any) -> None:
            await self._write(record, expected_version, outbox, applied, session=session)
            for other in also:
                await self._write(other, 0, (), None, session=session)

        async with await self._client.start_session() as session:
            await session.with_transaction(work)

    async def _write(
        self,
        record: Record,
        expected_version: int,
        outbox: Sequence[OutgoingMessage],
        applied: str | None,
        *,
        session: Any,
    ) -> None:
        update = self._update(record, outbox, applied)
        try:
            if expected_version == 0:
                await self._create(record, update, applied, session=session)
            else:
                await self._update_live(record, expected_version, update, applied, session=session)
        except DuplicateKeyError as error:
            raise self._duplicate(record, expected_version, error) from error

    async def _create(self, record: Record, update: dict[str, Any], applied: str | None, *, session: Any) -> None:
        update["$set"] |= {"version": 1, "account": record.account, "id": record.id, "live": True}
        del update["$inc"]
        update["$unset"] = {"deleted_at": ""}
        key = document_key(record.account, record.id)
        if await self._was_applied_in(record, applied, session=session):
            raise AlreadyAppliedError(applied)
        # A live document of this key does not match, so that the upsert meets the key itself and is refused.
        await self._database[record.collection].update_one(
            {"_id": key, "live": False}, update, upsert=True, session=session
        )

    async def _update_live(
        self, record: Record, expected_version: int, update: dict[str, Any], applied: str | None, *, session: Any
    ) -> None:
        query: dict[str, Any] = {
            "_id": document_key(record.account, record.id),
            "version": expected_version,
            "live": True,
        }
        if applied is not None:
            query["applied"] = {"$ne": applied}
        done = await self._database[record.collection].update_one(query, update, session=session)
        if done.matched_count == 1:
            return
        if await self._was_applied_in(record, applied, session=session):
            raise AlreadyAppliedError(applied)
        raise ConflictError(record.collection, record.id, expected_version)

    async def _was_applied_in(self, record: Record, applied: str | None, *, session: Any) -> bool:
        """Whether this record holds the message id, seen from inside a transaction or without one."""
        if applied is None:
            return False
        query = {"_id": document_key(record.account, record.id), "applied": applied}
        return await self._database[record.collection].find_one(query, {"_id": 1}, session=session) is not None

    def _update(self, record: Record, outbox: Sequence[OutgoingMessage], applied: str | None) -> dict[str, Any]:
        push: dict[str, Any] = {"outbox": {"$each": [outbox_row(message, self._next_order()) for message in outbox]}}
        if applied is not None:
            push["applied"] = {"$each": [applied], "$slice": -APPLIED_IDS_KEPT}
        return {"$set": {"data": record.data}, "$inc": {"version": 1}, "$push": push}

    def _next_order(self) -> int:
        self._last_order = max(self._last_order + 1, time.time_ns())
        return self._last_order

    @staticmethod
    def _duplicate(record: Record, expected_version: int, error: DuplicateKeyError) -> Exception:
        # "E11000 duplicate key error collection: sms_task.tasks index: unique__one_active dup key: { … }"
        text = str(error)
        if "index: unique__" in text:
            rule = text.partition("index: unique__")[2].split(" ", 1)[0]
            return DuplicateError(record.collection, record.id, rule)
        return ConflictError(record.collection, record.id, expected_version)

    def _query(self, collection: str, where: Mapping[str, Scalar] | None) -> dict[str, Any]:
        self._declared(collection).check_findable(where or {})
        return live_query(where)

    def _declared(self, collection: str) -> Collection:
        if collection not in self._collections:
            raise ValueError(f"collection {collection!r} was not declared")
        return self._collections[collection]

    @asynccontextmanager
    async def _mapped_errors(self) -> AsyncIterator[None]:
        try:
            yield
        except PyMongoError as error:
            raise StoreUnavailableError(self._service, f"{type(error).__name__}: {error}"[:300]) from error

    def _wake(self, outbox: Sequence[OutgoingMessage]) -> None:
        if outbox:
            for wake in self._wakers:
                wake()
