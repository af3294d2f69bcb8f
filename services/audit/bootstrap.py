"""Builds audit's parts: the only place that reads its signing key."""

from __future__ import annotations

from datetime import UTC, datetime

from services.audit.checkpoint_handlers import CheckpointHandlers
from services.audit.handlers import Handlers
from services.audit.proof_handlers import ProofHandlers
from services.audit.records import TraceRecords
from services.audit.settings import AuditSettings
from services.audit.subscriptions import subscribe
from shared.service import ServiceContext
from shared.signing_key import read_or_make_signing_key


async def wire(context: ServiceContext) -> None:
    """Raises ValueError or OSError when the key file cannot be used."""
    settings = context.settings
    if not isinstance(settings, AuditSettings):
        raise TypeError("audit needs its own settings, with the file of its signing key")
    key = read_or_make_signing_key(settings.signing_key_file)
    records = TraceRecords(context.store)
    checkpoints = CheckpointHandlers(records, key, lambda: datetime.now(UTC))
    public_key = key.public_key()
    subscribe(context.bus, Handlers(records, public_key), checkpoints, ProofHandlers(records, public_key))
    context.run_in_background("checkpoints", lambda: checkpoints.sign_every(settings.checkpoint_interval_s))
