"""`sms audit`: the trace of everything that has happened."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.client import BusClient
from cli.options import DEFAULT_DATA_FOLDER, DataOption, OutputOption, on_bus
from cli.output import OutputFormat, print_fields, print_json, print_table
from contracts.messages.audit import AuditRecord, ListRecords, RecordList, TraceVerified, VerifyTrace

app = typer.Typer(help="The tamper-evident trace.", no_args_is_help=True)

_PAGE = 200
BROKEN_EXIT_CODE = 4


@app.command("list")
def list_records(
    data: DataOption = DEFAULT_DATA_FOLDER,
    task: Annotated[str, typer.Option(help="Only records of this task.")] = "",
    after: Annotated[int, typer.Option(help="Only records after this sequence number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1000,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List records in order."""
    records = on_bus(data, lambda client: _read(client, task=task, after=after, limit=limit))
    if output is OutputFormat.JSON:
        print_json({"count": len(records), "records": [record.model_dump(mode="json") for record in records]})
        return
    print_table(
        ("sequence", "recorded at", "what", "subject", "actor"),
        ((one.sequence, one.recorded_at, one.message_type, one.subject, one.actor) for one in records),
    )


@app.command("verify")
def verify(data: DataOption = DEFAULT_DATA_FOLDER, output: OutputOption = OutputFormat.TABLE) -> int:
    """Check the whole hash chain; exits with 4 when it is broken."""
    verdict = on_bus(data, lambda client: client.ask("audit", "verify", VerifyTrace(), TraceVerified, timeout_s=120))
    if output is OutputFormat.JSON:
        print_json(verdict.model_dump(mode="json"))
    else:
        print_fields(
            {
                "intact": verdict.is_intact,
                "records": verdict.records,
                "broken at": verdict.broken_at or "",
                "reason": verdict.reason,
                "last hash": verdict.last_hash,
            }
        )
    return 0 if verdict.is_intact else BROKEN_EXIT_CODE


async def _read(client: BusClient, *, task: str, after: int, limit: int) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    while len(records) < limit:
        wanted = min(_PAGE, limit - len(records))
        page = await client.ask("audit", "list", ListRecords(after=after, limit=wanted, task_id=task), RecordList)
        records.extend(page.records)
        if not page.has_more or not page.records:
            break
        after = page.records[-1].sequence
    return records
