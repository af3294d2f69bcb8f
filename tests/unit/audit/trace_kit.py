"""An audit service without a bus: handlers on a real store, and what they say."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.messages.audit import TraceVerified, VerifyTrace
from contracts.messages.checkpoint import Checkpoint, ExportTrace, MakeCheckpoint
from contracts.trace.chain import TraceHead, chain
from services.audit.checkpoint_handlers import CheckpointHandlers
from services.audit.domain.entries import entry_key, entry_of, record_of
from services.audit.handlers import Handlers
from services.audit.proof_handlers import ProofHandlers
from services.audit.records import COLLECTIONS, HEAD, TraceRecords
from shared.store import AlreadyAppliedError, Store, open_store

START = datetime(2026, 1, 1, tzinfo=UTC)


class Trace:
    """clock: of the checkpoints; records bear the real time."""

    def __init__(self, store: Store, key: Ed25519PrivateKey) -> None:
        self.store = store
        self.key = key
        self.now = START
        self.records = TraceRecords(store)
        self.handlers = Handlers(self.records, key.public_key())
        self.checkpoints = CheckpointHandlers(self.records, key, lambda: self.now)
        self.proofs = ProofHandlers(self.records, key.public_key())

    @classmethod
    async def open(cls, folder: Path, key: Ed25519PrivateKey | None = None) -> Trace:
        store = await open_store(f"sqlite:///{folder}/audit.sqlite", "audit", COLLECTIONS)
        return cls(store, key or Ed25519PrivateKey.generate())

    async def record(self, *numbers: int, account: str = "acme", subject: str = "", **data: object) -> None:
        for number in numbers:
            envelope = asked(account, f"m{number}", subject or f"sms.v1.evt.{account}.task.t{number % 3}.changed")
            await self.handlers.on_messages([(json.dumps({"number": number, "name": "ü€", **data}).encode(), envelope)])

    async def fill(self, *numbers: int, account: str = "acme") -> None:
        """As `record`, in one write: many records in little time."""
        stored = await self.records.heads.load(account, HEAD)
        head, entries = stored.value if stored else TraceHead(), []
        for number in numbers:
            envelope = asked(account, f"m{number}", f"sms.v1.evt.{account}.task.t{number % 3}.changed")
            kept, head = chain(record_of(b'{"number":1}', envelope, now=datetime.now(UTC)), head)
            entries.append(self.records.entries.record(account, entry_key(kept.sequence), entry_of(kept)))
        version = stored.version if stored else 0
        await self.records.heads.save(account, HEAD, head, expected_version=version, also=entries)

    async def relay(self) -> None:
        """Deliver what was said back to audit, as the bus does."""
        pending = await self.store.pending(100)
        for row in pending:
            envelope = Envelope.from_headers(dict(row.message.headers))
            with suppress(AlreadyAppliedError):
                await self.handlers.on_messages([(row.message.payload.encode(), envelope)])
        await self.store.sent([row.token for row in pending])

    async def make_checkpoint(self, account: str = "acme") -> Checkpoint:
        self.now += timedelta(minutes=1)
        (made,) = (await self.checkpoints.make_checkpoint(MakeCheckpoint(), asked(account))).checkpoints
        await self.relay()
        return made

    async def verify(self, account: str = "acme") -> TraceVerified:
        return await self.handlers.verify_trace(VerifyTrace(), asked(account))

    async def export(self, account: str = "acme") -> list[bytes]:
        lines: list[bytes] = []
        cursor = ""
        while True:
            page = await self.checkpoints.export(ExportTrace(cursor=cursor), asked(account))
            lines += [line.encode() + b"\n" for line in page.lines]
            cursor = page.cursor
            if not cursor:
                return lines


def asked(account: str = "acme", identifier: str = "", subject: str = "sms.v1.req.audit.list") -> Envelope:
    more = {"id": identifier} if identifier else {}
    return Envelope(
        type="sms.task.changed",
        version=1,
        source="/services/task",
        account=account,
        subject=subject,
        actor="ann",
        **more,
    )


def envelope_of(message: Message, *, account: str, subject: str, identifier: str, actor: str = "") -> Envelope:
    return Envelope.of(
        message, source="/services/gateway", account=account, subject=subject, id=identifier, actor=actor
    )
