"""Refused requests on their way into the trace: bounded, so that a flood of them cannot fill a disk."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Final

from services.gateway.domain.ports import TraceEntry, TraceWriter
from services.gateway.domain.trace import NO_ACCOUNT
from shared.store import StoreUnavailableError
from shared.telemetry import log

_MOST_WAITING: Final = 200
_MOST_PER_WRITE: Final = 50
_PAUSE_BETWEEN_WRITES_S: Final = 0.5
_PAUSE_WITHOUT_STORE_S: Final = 2.0


class DenialTrace:
    """Writes denials in small batches; those beyond a bound are traced as one record with their number."""

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._waiting: list[TraceEntry] = []
        self._has_some = asyncio.Event()
        self._dropped = 0

    def add(self, entry: TraceEntry) -> None:
        """Returns at once; the answer does not wait for the trace."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(entry)
        else:
            self._dropped += 1
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
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST_PER_WRITE], self._waiting[_MOST_PER_WRITE:]
            if not self._waiting and self._dropped:
                batch.append(_further(batch[-1], self._dropped))
                self._dropped = 0
            await self._write(batch)

    async def _write(self, batch: list[TraceEntry]) -> None:
        while True:
            try:
                await self._writer.write(batch)
            except StoreUnavailableError as error:
                log("denials wait for the store", level=logging.WARNING, error=error)
                await asyncio.sleep(_PAUSE_WITHOUT_STORE_S)
                continue
            return


def _further(last: TraceEntry, number: int) -> TraceEntry:
    """The record that stands for denials which nobody had room for."""
    record = last.record.model_copy(
        update={
            "request_id": f"{last.record.request_id}-further",
            "operation": f"{number} further requests",
            "resource": "",
            "user_name": "",
            "access_key": "",
            "path": "",
        }
    )
    return replace(last, account=NO_ACCOUNT, actor="", record=record)
