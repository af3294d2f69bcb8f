"""Denied logins on their way into the trace: bounded, so that a flood of them cannot fill a disk."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from contracts.messages.identity import LoginDenied
from contracts.subjects import audit
from services.identity.domain.ports import Denial
from services.identity.facts import SERVICE
from services.identity.records import DenialCount, IdentityRecords
from shared.store.port import ConflictError, OutgoingMessage, StoreUnavailableError
from shared.telemetry import log

# Who names no account of ours is traced here.
NO_ACCOUNT: Final = "system"
_COUNTER: Final = "logins"
_MOST_WAITING: Final = 200
_MOST_PER_WRITE: Final = 50
_PAUSE_BETWEEN_WRITES_S: Final = 0.5
_PAUSE_WITHOUT_STORE_S: Final = 2.0
_LONGEST_NAME: Final = 160


class DenialTrace:
    """Writes denials with their audit records; those beyond a bound are traced as a number."""

    def __init__(self, records: IdentityRecords) -> None:
        self._records = records
        self._waiting: list[Denial] = []
        self._uncounted = 0
        self._has_some = asyncio.Event()

    def add(self, denial: Denial) -> None:
        """Returns at once; the login's answer does not wait for the trace."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(denial)
        else:
            self._uncounted += 1
        self._has_some.set()

    async def run(self) -> None:
        """Write until cancelled: the first denial at once, further ones twice a second."""
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            await self.flush()
            await asyncio.sleep(_PAUSE_BETWEEN_WRITES_S)

    async def flush(self) -> None:
        """Write what waits now."""
        while self._waiting or self._uncounted:
            batch, self._waiting = self._waiting[:_MOST_PER_WRITE], self._waiting[_MOST_PER_WRITE:]
            if not self._waiting and self._uncounted:
                batch.append(Denial("*", f"{self._uncounted} further logins", "", NO_ACCOUNT))
                self._uncounted = 0
            await self._write(batch)

    async def _write(self, batch: list[Denial]) -> None:
        outbox = [_audit_record(denial) for denial in batch]
        for denial in batch:
            log("login denied", login=denial.login[:_LONGEST_NAME], reason=denial.reason, address=denial.address)
        while True:
            try:
                stored = await self._records.denials.load(NO_ACCOUNT, _COUNTER)
                before, version = (stored.value.denials, stored.version) if stored else (0, 0)
                count = DenialCount(denials=before + len(batch))
                await self._records.denials.save(NO_ACCOUNT, _COUNTER, count, expected_version=version, outbox=outbox)
            except ConflictError:
                continue
            except StoreUnavailableError as error:
                log("denials wait for the store", level=logging.WARNING, error=error)
                await asyncio.sleep(_PAUSE_WITHOUT_STORE_S)
                continue
            return


def _audit_record(denial: Denial) -> OutgoingMessage:
    account = denial.account or NO_ACCOUNT
    message = LoginDenied(login=denial.login[:_LONGEST_NAME], reason=denial.reason, address=denial.address)
    return OutgoingMessage.of(
        audit(account, "login-denied"),
        message,
        source=SERVICE,
        account=account,
        actor=denial.login[:_LONGEST_NAME].encode("ascii", "replace").decode().replace("\r", "?").replace("\n", "?"),
    )
