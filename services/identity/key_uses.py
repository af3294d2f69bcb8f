"""When each access key was last used: noted in memory, written once a minute, so that no request waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from services.identity.domain.records import Credential, KeyUse
from services.identity.records import IdentityRecords
from shared.store.port import ConflictError, StoreUnavailableError
from shared.telemetry import log


class KeyUses:
    """Several replicas may write about one key: the newest time stays."""

    def __init__(
        self, records: IdentityRecords, *, interval_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._records = records
        self._interval_s = interval_s
        self._clock = clock
        self._noted: dict[tuple[str, str], datetime] = {}

    def note(self, credential: Credential) -> None:
        """This key has just been used with its genuine secret."""
        self._noted[credential.account, credential.access_key] = self._clock()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted; what cannot be written now waits for the next time."""
        noted, self._noted = self._noted, {}
        for (account, access_key), used_at in noted.items():
            try:
                await self._write(account, access_key, used_at)
            except (ConflictError, StoreUnavailableError) as error:
                self._noted.setdefault((account, access_key), used_at)
                log("use of a key not written yet", level=logging.WARNING, error=error, access_key=access_key)

    async def _write(self, account: str, access_key: str, used_at: datetime) -> None:
        stored = await self._records.key_uses.load(account, access_key)
        if stored is not None and stored.value.last_used_at >= used_at:
            return
        version = 0 if stored is None else stored.version
        await self._records.key_uses.save(account, access_key, KeyUse(last_used_at=used_at), expected_version=version)
