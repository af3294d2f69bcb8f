"""State, outbox and inbox of a service in one atomic write; SQLite and MongoDB behind one port."""

from shared.store.factory import open_store
from shared.store.port import (
    AccountRequiredError,
    AlreadyAppliedError,
    Collection,
    ConflictError,
    DuplicateError,
    OutgoingMessage,
    PendingMessage,
    Record,
    Store,
    StoreUnavailableError,
    Unique,
)
from shared.store.typed import Stored, TypedCollection

__all__ = [
    "AccountRequiredError",
    "AlreadyAppliedError",
    "Collection",
    "ConflictError",
    "DuplicateError",
    "OutgoingMessage",
    "PendingMessage",
    "Record",
    "Store",
    "StoreUnavailableError",
    "Stored",
    "TypedCollection",
    "Unique",
    "open_store",
]
