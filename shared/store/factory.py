"""Which adapter a store URL means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.store.port import Collection, Store
from shared.store.sqlite import SqliteStore


async def open_store(url: str, service: str, collections: Sequence[Collection] = ()) -> Store:
    """Open a service's store: ``sqlite:///relative``, ``sqlite:////absolute`` or ``mongodb://…``.

    A MongoDB URL without a database name means the database ``sms_<service>``. Raises
    StoreUnavailableError, or ValueError for another scheme.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        embedded = SqliteStore(Path(rest.removeprefix("/")), service, collections)
        await embedded.open()
        return embedded
    if scheme in {"mongodb", "mongodb+srv"}:
        # The embedded form runs without the driver in memory.
        from shared.store.mongodb import MongoStore

        document = MongoStore(url, service, collections)
        await document.open()
        return document
    raise ValueError(f"not a store: {scheme}://…")
