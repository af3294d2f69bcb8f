"""Signs traces hourly and on demand, and hands out checkpoints and exports."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.audit import BAD_CURSOR, NO_CHECKPOINT, TRACE_BROKEN
from contracts.messages.audit import AuditRecord
from contracts.messages.checkpoint import (
    Checkpoint,
    CheckpointList,
    ExportPage,
    ExportTrace,
    ListCheckpoints,
    MakeCheckpoint,
    TraceCheckpointed,
)
from contracts.subjects import evt
from contracts.trace.checkpoint import sign_checkpoint
from contracts.trace.export import FORMAT, ExportEnd, ExportHead, checkpoint_line, end_line, head_line, record_line
from services.audit.domain.entries import Entry, entry_key, read_entry
from services.audit.domain.tree import BrokenTraceError, Tree, grow, next_checkpoint, tile_key, with_checkpoint
from services.audit.records import MAX_REPLY_CHARACTERS, PAGE, TREE, TraceRecords, account_of, checkpoint_key
from shared.store.port import ConflictError, OutgoingMessage, StoreUnavailableError
from shared.store.typed import Stored
from shared.telemetry import log

SERVICE: Final = "audit"
_CURSOR: Final = re.compile(r"(c|r):(\d{1,12}):(\d{1,15})")
_MAX_LIST: Final = 500
_LONGEST_PAUSE_S: Final = 60.0
_CONFLICT_RETRIES: Final = 20


class CheckpointHandlers:
    """clock: UTC. One replica after the other signs: the tree's version sees to it."""

    def __init__(self, records: TraceRecords, key: Ed25519PrivateKey, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._key = key
        self._public_key = key.public_key().public_bytes_raw().hex()
        self._clock = clock

    async def make_checkpoint(self, _: MakeCheckpoint, envelope: Envelope) -> CheckpointList:
        """Sign now. Raises SMS.AUDIT.TRACE_BROKEN."""
        made = await self._sign(account_of(envelope), cause=envelope)
        return CheckpointList(checkpoints=(made,) if made else (), public_key=self._public_key)

    async def list_checkpoints(self, request: ListCheckpoints, envelope: Envelope) -> CheckpointList:
        """One page."""
        limit = max(1, min(request.limit, _MAX_LIST))
        found = await self._records.list_checkpoints(
            account_of(envelope), after=request.after, limit=limit + 1, newest_first=request.newest_first
        )
        return CheckpointList(
            checkpoints=tuple(found[:limit]), public_key=self._public_key, has_more=len(found) > limit
        )

    async def export(self, request: ExportTrace, envelope: Envelope) -> ExportPage:
        """The next lines; the first page signs the trace as it is. Raises SMS.AUDIT.BAD_CURSOR."""
        account = account_of(envelope)
        if not request.cursor:
            return await self._begin_export(account, envelope)
        read = _CURSOR.fullmatch(request.cursor)
        if read is None:
            raise MigrationError(BAD_CURSOR, cursor=request.cursor[:64])
        kind, number, after = read[1], int(read[2]), int(read[3])
        under = await self._records.load_checkpoint(account, number)
        if kind == "c":
            return await self._export_checkpoints(under, after)
        return await self._export_records(under, after)

    async def sign_every(self, interval_s: float) -> None:
        """Until cancelled: no record stays longer than interval_s, and a minute, without a checkpoint over it."""
        while True:
            try:
                await self.sign_due(interval_s)
            except (StoreUnavailableError, ConflictError) as error:
                log("checkpoints wait", level=logging.WARNING, error=error)
            await asyncio.sleep(min(interval_s, _LONGEST_PAUSE_S))

    async def sign_due(self, interval_s: float) -> None:
        """Sign each trace whose oldest record without a checkpoint is interval_s old."""
        for account in [head.account async for head in self._records.heads.find_all_accounts()]:
            if not await self._is_due(account, interval_s):
                continue
            try:
                await self._sign(account, cause=None)
            except MigrationError as error:
                if error.code != TRACE_BROKEN.code:
                    raise
                log("trace broken", level=logging.ERROR, error=error, code=error.code, account=account)

    async def _is_due(self, account: str, interval_s: float) -> bool:
        tree = (await self._records.load_tree(account)).value
        if tree.has_news:
            # The tree has grown, and its checkpoint was not written: a kill came between.
            return True
        oldest = await self._records.entries.load(account, entry_key(tree.size + 1))
        return oldest is not None and self._clock() - _read(oldest).recorded_at >= timedelta(seconds=interval_s)

    async def _sign(self, account: str, *, cause: Envelope | None) -> Checkpoint | None:
        """The checkpoint of the trace as it is; None for an empty trace."""
        for attempt in range(_CONFLICT_RETRIES):
            try:
                stored = await self._grow_tree(account)
                if not stored.value.has_news:
                    number = stored.value.checkpoint
                    return await self._records.load_checkpoint(account, number) if number else None
                return await self._save_checkpoint(stored, cause)
            except ConflictError:
                # Another replica was faster: what it has done is gone on from.
                if attempt == _CONFLICT_RETRIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def _grow_tree(self, account: str) -> Stored[Tree]:
        """Take in what has been recorded since, in steps that are each one write."""
        stored = await self._records.load_tree(account)
        last = (await self._records.load_head(account)).sequence
        while stored.value.size < last:
            size = stored.value.size
            wanted = min(PAGE, last - size)
            page = await self._records.entries.find(account, after=entry_key(size) if size else "", limit=wanted)
            try:
                if len(page) < wanted:
                    raise BrokenTraceError(size + len(page) + 1, f"it is missing, and {last} were written")
                grown, tiles = grow(stored.value, [_read(each) for each in page], account=account)
            except BrokenTraceError as error:
                raise MigrationError(TRACE_BROKEN, sequence=error.sequence, reason=error.reason) from error
            also = [self._records.tiles.record(account, tile_key(node), tile) for node, tile in tiles]
            version = await self._records.trees.save(account, TREE, grown, expected_version=stored.version, also=also)
            stored = Stored(account=account, id=TREE, version=version, value=grown)
        return stored

    async def _save_checkpoint(self, stored: Stored[Tree], cause: Envelope | None) -> Checkpoint:
        account = stored.account
        checkpoint = sign_checkpoint(next_checkpoint(stored.value, account=account, now=self._clock()), self._key)
        event = OutgoingMessage.of(
            evt(account, "trace", str(checkpoint.number), "checkpointed"),
            TraceCheckpointed(checkpoint=checkpoint, public_key=self._public_key),
            source=SERVICE,
            account=account,
            cause=cause,
            message_id=f"trace:{account}:{checkpoint.number}:checkpointed",
        )
        await self._records.trees.save(
            account,
            TREE,
            with_checkpoint(stored.value, checkpoint),
            expected_version=stored.version,
            also=[self._records.checkpoints.record(account, checkpoint_key(checkpoint.number), checkpoint)],
            outbox=[event],
        )
        log("trace checkpointed", account=account, number=checkpoint.number, tree_size=checkpoint.tree_size)
        return checkpoint

    async def _begin_export(self, account: str, envelope: Envelope) -> ExportPage:
        under = await self._sign(account, cause=envelope)
        if under is None:
            raise MigrationError(NO_CHECKPOINT, number="at all", count=0)
        head = ExportHead(format=FORMAT, account=account, public_key=self._public_key, checkpoint=under)
        return ExportPage(lines=(head_line(head),), cursor=f"c:{under.number}:0")

    async def _export_checkpoints(self, under: Checkpoint, after: int) -> ExportPage:
        found = await self._records.list_checkpoints(under.account, after=after)
        lines = tuple(checkpoint_line(each) for each in found if each.number <= under.number)
        last = after + len(lines)
        is_done = not lines or last >= under.number
        return ExportPage(lines=lines, cursor=f"r:{under.number}:0" if is_done else f"c:{under.number}:{last}")

    async def _export_records(self, under: Checkpoint, after: int) -> ExportPage:
        key = entry_key(after) if after else ""
        lines: list[str] = []
        size = 0
        for stored in await self._records.entries.find(under.account, after=key, limit=PAGE):
            size += len(stored.value.record_json)
            if int(stored.id) > under.tree_size or (lines and size > MAX_REPLY_CHARACTERS):
                break
            lines.append(record_line(_read(stored)))
        last = after + len(lines)
        if lines and last < under.tree_size:
            return ExportPage(lines=tuple(lines), cursor=f"r:{under.number}:{last}")
        # An export of a damaged trace ends here too: its check says what is missing.
        end = end_line(ExportEnd(checkpoints=under.number, records=under.tree_size))
        return ExportPage(lines=(*lines, end))


def _read(stored: Stored[Entry]) -> AuditRecord:
    try:
        return read_entry(stored.value)
    except ValueError as error:
        raise MigrationError(TRACE_BROKEN, sequence=stored.id, reason="the record cannot be read") from error
