"""The account's trace: queries, checkpoints, proofs and exports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import Query

from contracts.messages.audit import ListRecords, RecordList, TraceVerified, VerifyTrace
from contracts.messages.checkpoint import (
    CheckpointList,
    ConsistencyProof,
    ExportPage,
    ExportTrace,
    InclusionProof,
    ListCheckpoints,
    MakeCheckpoint,
    ProveConsistency,
    ProveInclusion,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter

router = ApiRouter(tag="audit")

# The whole trace is read: 8,000 records a second on a busy machine of 2 cores. What is larger than this allows is
# exported, and the export verified.
_WHOLE_TRACE_WITHIN_S: Final = 120.0

Sequence = Annotated[int, Query(ge=0)]
Page = Annotated[int, Query(ge=1, le=500)]
Word = Annotated[str, Query(max_length=256)]


@router.get("/v3/audit/records", action="sms:audit:list", operation_id="list_audit_records")
async def list_audit_records(
    call: ApiCall,
    after: Sequence = 0,
    before: Sequence = 0,
    limit: Page = 200,
    newest_first: bool = False,  # noqa: FBT001, FBT002 - a query parameter
    from_time: datetime | None = None,
    until_time: datetime | None = None,
    task_id: Word = "",
    actor: Word = "",
    access_key: Word = "",
    resource: Word = "",
    message_type: Word = "",
    outcome: Word = "",
    request_id: Word = "",
) -> RecordList:
    """Records that meet all conditions. The next page: after the last sequence of this one, or before it."""
    wanted = ListRecords(
        after=after,
        before=before,
        limit=limit,
        newest_first=newest_first,
        from_time=from_time,
        until_time=until_time,
        task_id=task_id,
        actor=actor,
        access_key=access_key,
        resource=resource,
        message_type=message_type,
        outcome=outcome,
        request_id=request_id,
    )
    return await call.ask("audit", "list", wanted, RecordList)


@router.get("/v3/audit/verification", action="sms:audit:get", operation_id="verify_audit_trace")
async def verify_audit_trace(call: ApiCall) -> TraceVerified:
    """Have the service check its whole trace: chain, tree and signed checkpoints."""
    return await call.ask("audit", "verify", VerifyTrace(), TraceVerified, timeout_s=_WHOLE_TRACE_WITHIN_S)


@router.get("/v3/audit/records/{sequence}/proof", action="sms:audit:get", operation_id="prove_audit_record")
async def prove_audit_record(call: ApiCall, sequence: int, checkpoint: Sequence = 0) -> InclusionProof:
    """That a record is under a checkpoint; checkpoint: its number, 0 for the newest."""
    return await call.ask(
        "audit", "prove-inclusion", ProveInclusion(sequence=sequence, checkpoint=checkpoint), InclusionProof
    )


@router.get("/v3/audit/checkpoints", action="sms:audit:list", operation_id="list_audit_checkpoints")
async def list_audit_checkpoints(
    call: ApiCall,
    after: Sequence = 0,
    limit: Page = 100,
    newest_first: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> CheckpointList:
    """Signed checkpoints and the public key. The next page: after the last number of this one."""
    wanted = ListCheckpoints(after=after, limit=limit, newest_first=newest_first)
    return await call.ask("audit", "list-checkpoints", wanted, CheckpointList)


@router.post("/v3/audit/checkpoints", action="sms:audit:create", operation_id="make_audit_checkpoint")
async def make_audit_checkpoint(call: ApiCall) -> CheckpointList:
    """Sign the trace as it is now; the last checkpoint when nothing has been recorded since."""
    wanted = MakeCheckpoint(idempotency_key=call.idempotency_key)
    return await call.ask("audit", "make-checkpoint", wanted, CheckpointList, timeout_s=_WHOLE_TRACE_WITHIN_S)


@router.get(
    "/v3/audit/checkpoints/{number}/consistency", action="sms:audit:get", operation_id="prove_audit_consistency"
)
async def prove_audit_consistency(call: ApiCall, number: int, later: Sequence = 0) -> ConsistencyProof:
    """That a checkpoint's records are the beginning of a later one's; later: its number, 0 for the newest."""
    wanted = ProveConsistency(first=number, second=later)
    return await call.ask("audit", "prove-consistency", wanted, ConsistencyProof)


@router.post("/v3/audit/exports", action="sms:audit:export", operation_id="begin_audit_export")
async def begin_audit_export(call: ApiCall) -> ExportPage:
    """Sign the trace as it is, and answer the first lines of an export of all that is under this checkpoint."""
    return await call.ask("audit", "export", ExportTrace(), ExportPage, timeout_s=_WHOLE_TRACE_WITHIN_S)


@router.get("/v3/audit/exports", action="sms:audit:list", operation_id="continue_audit_export")
async def continue_audit_export(
    call: ApiCall, cursor: Annotated[str, Query(min_length=1, max_length=64)]
) -> ExportPage:
    """The next lines of an export. cursor: as the page before said."""
    return await call.ask("audit", "export", ExportTrace(cursor=cursor), ExportPage)
