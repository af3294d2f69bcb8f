"""What is kept, and what may be asked; a message is acknowledged when its record is durable."""

from __future__ import annotations

from contracts.messages.audit import ListRecords, VerifyTrace
from contracts.messages.checkpoint import (
    ExportTrace,
    ListCheckpoints,
    MakeCheckpoint,
    ProveConsistency,
    ProveInclusion,
)
from contracts.subjects import ROOT, req
from services.audit.checkpoint_handlers import SERVICE, CheckpointHandlers
from services.audit.handlers import Handlers
from services.audit.proof_handlers import ProofHandlers
from shared.bus import ServiceBus


def subscribe(bus: ServiceBus, handlers: Handlers, checkpoints: CheckpointHandlers, proofs: ProofHandlers) -> None:
    """Declare all subscriptions."""
    bus.on_batches(f"{ROOT}.evt.>", handlers.on_messages)
    bus.on_batches(f"{ROOT}.audit.>", handlers.on_messages)
    bus.on_request(req(SERVICE, "list"), ListRecords, handlers.list_records)
    bus.on_request(req(SERVICE, "verify"), VerifyTrace, handlers.verify_trace, workers=2)
    bus.on_request(req(SERVICE, "make-checkpoint"), MakeCheckpoint, checkpoints.make_checkpoint, workers=2)
    bus.on_request(req(SERVICE, "list-checkpoints"), ListCheckpoints, checkpoints.list_checkpoints)
    bus.on_request(req(SERVICE, "export"), ExportTrace, checkpoints.export, workers=2)
    bus.on_request(req(SERVICE, "prove-inclusion"), ProveInclusion, proofs.prove_inclusion, workers=4)
    bus.on_request(req(SERVICE, "prove-consistency"), ProveConsistency, proofs.prove_consistency, workers=4)
