"""`sms audit`: the trace of everything that has happened, and the proof that it was not changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.api import ApiClient, on_api
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption
from cli.output import OutputFormat, print_fields, print_json, print_table
from contracts.messages.audit import AuditRecord, RecordList
from contracts.messages.checkpoint import CheckpointList, InclusionProof

app = typer.Typer(help="The tamper-evident trace.", no_args_is_help=True)

_PAGE = 200
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
_MAKING_TAKES_S = 150.0


@app.command("list")
def list_records(
    data: DataOption = DEFAULT_DATA_FOLDER,
    task: Annotated[str, typer.Option(help="Only records of this task.")] = "",
    resource: Annotated[str, typer.Option(help="Only records about this thing: server:ID, task:ID, user:NAME …")] = "",
    actor: Annotated[str, typer.Option(help="Only what this user, agent or service did.")] = "",
    key: Annotated[str, typer.Option(help="Only what was asked with this access key.")] = "",
    kind: Annotated[str, typer.Option("--type", help="Only this type, for example sms.api.request-recorded.")] = "",
    outcome: Annotated[str, typer.Option(help="Only done, refused, denied or failed requests.")] = "",
    request: Annotated[str, typer.Option(help="Only this request (its X-Request-Id) and what it caused.")] = "",
    since: Annotated[datetime | None, typer.Option(formats=_TIMES, help="From this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Before this time (UTC).")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    after: Annotated[int, typer.Option(help="Only records after this sequence number.")] = 0,
    before: Annotated[int, typer.Option(help="Only records before this sequence number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List records in order."""
    wanted: dict[str, object] = {
        "task_id": task,
        "resource": resource,
        "actor": actor,
        "access_key": key,
        "message_type": kind,
        "outcome": outcome,
        "request_id": request,
        "from_time": _in_utc(since),
        "until_time": _in_utc(until),
        "newest_first": newest or None,
    }
    query = {name: value for name, value in wanted.items() if value not in ("", None)}
    records = on_api(data, lambda api: _read(api, query, after=after, before=before, limit=limit))
    if output is OutputFormat.JSON:
        print_json({"count": len(records), "records": [record.model_dump(mode="json") for record in records]})
        return
    print_table(
        ("sequence", "recorded at", "what", "about", "actor", "outcome"),
        ((one.sequence, one.recorded_at, _what(one), _about(one), one.actor, _outcome(one)) for one in records),
    )


@app.command("checkpoints")
def checkpoints(
    data: DataOption = DEFAULT_DATA_FOLDER,
    make: Annotated[bool, typer.Option("--make", help="Sign the trace as it is now, and show that.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 24,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show signed checkpoints, the newest first. Keep one elsewhere: it proves any later change."""
    found = on_api(data, lambda api: _checkpoints(api, make=make, limit=limit))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_fields({"public key": found.public_key})
    print_table(
        ("number", "records", "root hash", "issued at"),
        ((one.number, one.tree_size, one.root_hash, one.issued_at) for one in found.checkpoints),
    )


@app.command("proof")
def proof(
    sequence: Annotated[int, typer.Argument(min=1, help="The record's sequence number.")],
    data: DataOption = DEFAULT_DATA_FOLDER,
    checkpoint: Annotated[int, typer.Option(help="Number of the checkpoint; the newest without it.")] = 0,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Prove that a record is under a checkpoint (a Merkle inclusion proof of RFC 9162)."""
    path = f"/v3/audit/records/{sequence}/proof"
    found = on_api(data, lambda api: api.get(path, InclusionProof, checkpoint=checkpoint or None))
    if output is OutputFormat.JSON:
        print_json(found.model_dump(mode="json"))
        return
    print_fields(
        {
            "record": found.record.sequence,
            "record hash": found.record.record_hash,
            "checkpoint": found.checkpoint.number,
            "records under it": found.checkpoint.tree_size,
            "root hash": found.checkpoint.root_hash,
            "public key": found.public_key,
            "path": " ".join(found.path),
        }
    )


async def _read(api: ApiClient, query: dict[str, Any], *, after: int, before: int, limit: int) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    while len(records) < limit:
        bounds: dict[str, Any] = {"after": after or None, "before": before or None}
        bounds["limit"] = min(_PAGE, limit - len(records))
        page = await api.get("/v3/audit/records", RecordList, **query, **bounds)
        records.extend(page.records)
        if not page.has_more or not page.records:
            break
        last = page.records[-1].sequence
        after, before = (after, last) if query.get("newest_first") else (last, before)
    return records


async def _checkpoints(api: ApiClient, *, make: bool, limit: int) -> CheckpointList:
    if make:
        return await api.post("/v3/audit/checkpoints", None, CheckpointList, timeout_s=_MAKING_TAKES_S)
    return await api.get("/v3/audit/checkpoints", CheckpointList, limit=limit, newest_first=True)


def _in_utc(time: datetime | None) -> str | None:
    return None if time is None else (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


def _what(record: AuditRecord) -> str:
    operation = record.data.get("operation")
    return operation if isinstance(operation, str) else record.message_type


def _about(record: AuditRecord) -> str:
    resource = record.data.get("resource")
    return resource if isinstance(resource, str) else record.subject


def _outcome(record: AuditRecord) -> str:
    return " ".join(str(record.data[name]) for name in ("outcome", "error_code") if record.data.get(name))
