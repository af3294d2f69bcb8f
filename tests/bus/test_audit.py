"""The audit service on a real bus: it keeps everything, whatever happens to it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import ClassVar

import pytest

from contracts import subjects
from contracts.base import Message, MessageKind
from contracts.errors import MigrationError
from contracts.messages.api import ApiRequestRecorded
from contracts.messages.audit import AuditRecord, ListRecords, RecordList, TraceVerified, VerifyTrace
from contracts.messages.checkpoint import (
    CheckpointList,
    ConsistencyProof,
    ExportPage,
    ExportTrace,
    ListCheckpoints,
    MakeCheckpoint,
    ProveConsistency,
    TraceCheckpointed,
)
from contracts.trace.checkpoint import read_public_key
from contracts.trace.export import check_export
from services.audit.bootstrap import wire
from services.audit.records import COLLECTIONS
from services.audit.settings import AuditSettings
from shared.service import ServiceContext
from shared.store import Collection, OutgoingMessage, Record
from tests.bus.conftest import Bench
from tests.servers import MongoReplicaSet

SAID = Collection(name="said")
LIST = subjects.req("audit", "list")
VERIFY = subjects.req("audit", "verify")
CHECKPOINTS = subjects.req("audit", "list-checkpoints")


class Moved(Message):
    TYPE: ClassVar[str] = "test.moved"
    KIND: ClassVar[MessageKind] = "event"
    number: int


async def say(context: ServiceContext, *numbers: int, account: str = "acme", denied: bool = False) -> None:
    messages = []
    for number in numbers:
        subject = subjects.evt(account, "task", f"t{number % 2}", "moved")
        if denied:
            subject = subjects.audit(account, "denied")
        messages.append(OutgoingMessage.of(subject, Moved(number=number), source="task", account=account, actor="ak1"))
    said = Record(collection="said", account=account, id=str(uuid.uuid4()), data={})
    await context.store.save(said, expected_version=0, outbox=messages)


async def kept(context: ServiceContext, count: int, *, account: str = "acme", timeout_s: float = 20) -> RecordList:
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                listed = await context.bus.request(LIST, ListRecords(limit=500), RecordList, 2, account=account)
            except MigrationError:
                listed = RecordList(records=())
            if len(listed.records) >= count:
                return listed
            await asyncio.sleep(0.1)


async def check_kept_and_verified(bench: Bench, settings: AuditSettings) -> None:
    async with bench.running("task", collections=[SAID]) as task, bench.running(settings, wire, COLLECTIONS):
        await say(task, *range(10))
        await say(task, 10, 11, denied=True)
        await say(task, 12, account="other")
        listed = await kept(task, 12)
        assert [record.sequence for record in listed.records] == list(range(1, 13))
        assert sorted(record.data["number"] for record in listed.records) == list(range(12))
        assert {record.actor for record in listed.records} == {"ak1"}
        events = [record.data["number"] for record in listed.records if ".evt." in record.subject]
        assert events == list(range(10))
        of_task = await task.bus.request(LIST, ListRecords(task_id="t1"), RecordList, account="acme")
        assert [record.data["number"] for record in of_task.records] == [1, 3, 5, 7, 9]
        other = await kept(task, 1, account="other")
        assert [record.data["number"] for record in other.records] == [12]
        verdict = await task.bus.request(VERIFY, VerifyTrace(), TraceVerified, account="acme")
        assert (verdict.is_intact, verdict.records) == (True, 12)
        with pytest.raises(MigrationError) as refused:
            await task.bus.request(VERIFY, VerifyTrace(), TraceVerified)
        assert refused.value.code == "SMS.AUDIT.NO_ACCOUNT"


def api_request(number: int, **changed: object) -> OutgoingMessage:
    values: dict[str, object] = {
        "request_id": f"r{number}",
        "operation": "delete_task",
        "action": "sms:task:delete",
        "method": "DELETE",
        "path": f"/v3/tasks/t{number}",
        "resource": f"task:t{number} server:s{number % 2}",
        "user_name": "ann",
        "access_key": f"AK{number % 3}",
        "source_address": "192.0.2.7",
        "outcome": "denied" if number % 4 == 0 else "done",
    }
    message = ApiRequestRecorded.model_validate(values | changed)
    subject = subjects.audit("acme", "api-request")
    return OutgoingMessage.of(subject, message, source="gateway", account="acme", actor="ann")


async def check_queries_checkpoints_and_export(bench: Bench, settings: AuditSettings) -> None:
    async with bench.running("task", collections=[SAID]) as task, bench.running(settings, wire, COLLECTIONS):
        bus = task.bus

        async def found(**query: object) -> list[AuditRecord]:
            """All pages of four, in either direction."""
            records: list[AuditRecord] = []
            bounds: dict[str, int] = {}
            while True:
                wanted = ListRecords.model_validate({"limit": 4, **query, **bounds})
                page = await bus.request(LIST, wanted, RecordList, account="acme")
                records += page.records
                if not page.has_more:
                    return records
                bounds = {"before" if wanted.newest_first else "after": page.records[-1].sequence}

        async def numbers(**query: object) -> list[int]:
            return [int(record.data["request_id"][1:]) for record in await found(**query)]

        await say(task, *range(10))
        await kept(task, 10)
        saved = Record(collection="said", account="acme", id="requests", data={})
        await task.store.save(saved, expected_version=0, outbox=[api_request(number) for number in range(24)])
        await kept(task, 34)
        every = await found()
        assert await found(newest_first=True) == list(reversed(every))
        requests = {"message_type": "sms.api.request-recorded"}
        assert await numbers(**requests) == list(range(24))
        assert await numbers(message_type="sms.api.request-recorded:1") == list(range(24))
        assert await numbers(message_type="sms.api.request-recorded:2") == []
        assert await numbers(access_key="AK1") == list(range(1, 24, 3))
        assert await numbers(access_key="AK1", newest_first=True) == list(reversed(range(1, 24, 3)))
        assert await numbers(outcome="denied") == list(range(0, 24, 4))
        assert await numbers(outcome="denied", access_key="AK2") == [8, 20]
        assert await numbers(request_id="r7") == [7]
        # A record that is about two things is found by each of them.
        assert await numbers(resource="server:s1") == list(range(1, 24, 2))
        assert await numbers(resource="server:s1", newest_first=True, outcome="done") == list(reversed(range(1, 24, 2)))
        about_task = await found(resource="task:t1")
        assert [".evt." in record.subject for record in about_task] == [True] * 5 + [False]
        assert await numbers(actor="ann") == list(range(24))
        assert len(await found(actor="ak1")) == 10
        middle = every[17].recorded_at
        assert await found(from_time=middle) == [record for record in every if record.recorded_at >= middle]
        assert await found(until_time=middle) == [record for record in every if record.recorded_at < middle]
        assert await found(from_time=every[0].recorded_at, until_time=every[0].recorded_at) == []
        assert await found(from_time=middle + timedelta(days=1)) == []
        between = {"after": 5, "before": 9}
        page = await bus.request(LIST, ListRecords.model_validate(between), RecordList, account="acme")
        assert [record.sequence for record in page.records] == [6, 7, 8]

        make = subjects.req("audit", "make-checkpoint")
        made = await bus.request(make, MakeCheckpoint(), CheckpointList, account="acme")
        assert made.checkpoints[0].tree_size == 34
        # Others hear of it, and so does the trace itself.
        listed = await kept(task, 35)
        assert TraceCheckpointed.model_validate(listed.records[-1].data).checkpoint == made.checkpoints[0]
        await say(task, 10)
        await kept(task, 36)
        lines: list[bytes] = []
        cursor = ""
        while cursor or not lines:
            export = await bus.request(
                subjects.req("audit", "export"), ExportTrace(cursor=cursor), ExportPage, account="acme"
            )
            lines += [line.encode() + b"\n" for line in export.lines]
            cursor = export.cursor
        verdict = check_export(lines, public_key=read_public_key(made.public_key), kept=made.checkpoints[0])
        assert (verdict.is_intact, verdict.records, verdict.checkpoints) == (True, 36, 2)
        online = await bus.request(VERIFY, VerifyTrace(), TraceVerified, account="acme")
        assert (online.is_intact, online.checkpoints, online.public_key) == (True, 2, made.public_key)
        proof = await bus.request(
            subjects.req("audit", "prove-consistency"), ProveConsistency(first=1), ConsistencyProof, account="acme"
        )
        assert (proof.first.tree_size, proof.second.tree_size) == (34, 36)


def audit_settings(bench: Bench, **changed: object) -> AuditSettings:
    own = {"signing_key_file": bench.folder / "keys" / "audit.signing"}
    return AuditSettings.model_validate(bench.settings("audit").model_dump() | own | changed)


async def test_every_event_and_denial_is_kept_in_a_chain(bench) -> None:
    await check_kept_and_verified(bench, audit_settings(bench))


@pytest.mark.mongod
async def test_the_same_holds_on_a_replica_set(bench, mongod) -> None:
    url = mongod.url.replace("/?", f"/t{uuid.uuid4().hex}?")
    await check_kept_and_verified(bench, audit_settings(bench, store_url=url))


async def test_records_are_found_by_everything_and_proven(bench) -> None:
    await check_queries_checkpoints_and_export(bench, audit_settings(bench))


@pytest.mark.mongod
async def test_records_are_found_by_everything_and_proven_on_a_replica_set(bench, mongod) -> None:
    url = mongod.url.replace("/?", f"/t{uuid.uuid4().hex}?")
    await check_queries_checkpoints_and_export(bench, audit_settings(bench, store_url=url))


async def test_traces_are_signed_without_being_asked(bench) -> None:
    settings = audit_settings(bench, checkpoint_interval_s=0.2)
    async with bench.running("task", collections=[SAID]) as task, bench.running(settings, wire, COLLECTIONS):
        await say(task, 1, 2, 3)
        await say(task, 4, account="other")
        for account in ("acme", "other"):
            async with asyncio.timeout(15):
                wanted = ListCheckpoints()
                while True:
                    listed = await task.bus.request(CHECKPOINTS, wanted, CheckpointList, account=account)
                    if listed.checkpoints:
                        break
                    await asyncio.sleep(0.1)
            assert listed.checkpoints[0].account == account
        first = (bench.folder / "keys" / "audit.signing.pub").read_text().strip()
        assert listed.public_key == first


@pytest.mark.mongod
async def test_a_database_that_is_killed_and_started_again_loses_nothing(bench, tmp_path) -> None:
    folder = tmp_path / "own-mongod"
    folder.mkdir()
    database = MongoReplicaSet(folder)
    database.start()
    try:
        url = database.url.replace("/?", "/audit?serverSelectionTimeoutMS=1000&")
        settings = audit_settings(bench, store_url=url, ack_wait_s=5)
        async with bench.running("task", collections=[SAID]) as task, bench.running(settings, wire, COLLECTIONS):
            await say(task, *range(100))
            await kept(task, 10)
            database.kill()
            await say(task, *range(100, 120))
            with pytest.raises(MigrationError) as refused:
                await task.bus.request(VERIFY, VerifyTrace(), TraceVerified, 10, account="acme")
            assert refused.value.code == "SMS.DB.UNAVAILABLE"
            await asyncio.to_thread(database.start)
            listed = await kept(task, 120, timeout_s=40)
            assert sorted(record.data["number"] for record in listed.records) == list(range(120))
            verdict = await task.bus.request(VERIFY, VerifyTrace(), TraceVerified, account="acme")
            assert (verdict.is_intact, verdict.records) == (True, 120)
            assert (await task.bus.jetstream.stream_info("DLQ")).state.messages == 0
    finally:
        database.kill()


async def test_a_process_that_is_killed_again_and_again_keeps_everything_once(bench, random_source) -> None:
    settings = audit_settings(bench)
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SMS_AUDIT_BUS_URL": settings.bus_url,
        "SMS_AUDIT_STORE_URL": settings.store_url,
        "SMS_AUDIT_ACK_WAIT_S": "2",
        "SMS_AUDIT_SIGNING_KEY_FILE": str(settings.signing_key_file),
        "SMS_AUDIT_STREAM_MAX_BYTES": str(settings.stream_max_bytes),
    }
    rounds, burst = 4, 300
    total = rounds * burst

    def start(log) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "services.audit"], env=environment, stderr=log)

    async def verified(context: ServiceContext) -> TraceVerified:
        async with asyncio.timeout(60):
            while True:
                with suppress(MigrationError):
                    verdict = await context.bus.request(VERIFY, VerifyTrace(), TraceVerified, 5, account="acme")
                    if verdict.records >= total:
                        return verdict
                await asyncio.sleep(0.2)

    cut_short = 0
    with (bench.folder / "audit.log").open("wb") as log:
        async with bench.running("task", collections=[SAID]) as task:
            process = start(log)
            try:
                for number in range(rounds):
                    await say(task, *range(number * burst, number * burst + burst))
                    await kept(task, 1)
                    await asyncio.sleep(random_source.uniform(0, 0.15))
                    process.kill()
                    process.wait()
                    pending = await task.bus.jetstream.consumer_info("EVT", "audit-evt-all")
                    cut_short += bool(pending.num_pending or pending.num_ack_pending)
                    process = start(log)
                verdict = await verified(task)
                assert (verdict.is_intact, verdict.records) == (True, total)
                assert cut_short > 0, "no kill met a message under way"
                process.terminate()
                assert process.wait(15) == 0
            finally:
                process.kill()
                process.wait()
