"""The quota of each account that has one of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.base import Model
from shared.store import Collection, Store
from shared.store.typed import TypedCollection

QUOTAS: Final = Collection(name="quotas")
_ID: Final = "servers"


class Quota(Model):
    """limit: source servers in migration. said_at: an older message does not count any more."""

    limit: int
    said_at: datetime


class StoredQuotas:
    """The port Quotas. default: for accounts of which nothing was said."""

    def __init__(self, store: Store, *, default: int) -> None:
        self._quotas = TypedCollection(store, QUOTAS, Quota)
        self._default = default

    async def of(self, account: str) -> int:
        """See Quotas."""
        stored = await self._quotas.load(account, _ID)
        return stored.value.limit if stored else self._default

    async def set(self, account: str, limit: int, *, said_at: datetime, applied: str) -> None:
        """See Quotas."""
        known = await self._quotas.load(account, _ID)
        if known is not None and known.value.said_at > said_at:
            return
        version = known.version if known else 0
        quota = Quota(limit=limit, said_at=said_at)
        await self._quotas.save(account, _ID, quota, expected_version=version, applied=applied)
