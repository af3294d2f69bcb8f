"""The trace and agents' logs through the HTTPS API and the command line, on a bus with logins."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import nats
import pytest

from agents.session import AgentSession, Credential
from cli.main import run
from contracts import subjects
from contracts.envelope import Envelope
from contracts.inventory import SourceInventory
from contracts.login import events_inbox, fresh_password, user_name
from contracts.messages.agent import AgentRegistered
from contracts.messages.audit import AuditRecord
from contracts.messages.checkpoint import Checkpoint, InclusionProof
from contracts.trace.checkpoint import is_genuine, read_public_key
from contracts.trace.merkle import is_included
from tests.api.bench import ACCOUNT, INVENTORIES, ApiBench
from tests.servers import wait_until

CANARY = "AK0123456789ABCDEF01"


@pytest.fixture
def profile(api: ApiBench, tmp_path: Path) -> str:
    """A profile file for the command line."""
    path = tmp_path / "profile.json"
    access_key, secret_key = api.root
    content = {
        "endpoint": api.url,
        "access_key": access_key,
        "secret_key": secret_key,
        "ca_file": str(api.files.ca_file),
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
    return str(path)


def records(client: httpx.Client, **query: object) -> list[AuditRecord]:
    answer = client.get("/v3/audit/records", params=query)
    assert answer.status_code == 200, answer.text
    return [AuditRecord.model_validate(record) for record in answer.json()["records"]]


def recorded(client: httpx.Client, **query: object) -> list[AuditRecord]:
    """As records, as soon as there are any."""
    wait_until(lambda: bool(records(client, **query)), timeout_s=10, what=f"a record of {query}")
    return records(client, **query)


def test_every_event_of_a_server_is_found_by_server_type_and_time_both_ways(
    api: ApiBench, signed: httpx.Client
) -> None:
    server_id = api.register_server("traced")
    resource = f"server:{server_id}"
    wait_until(lambda: len(records(signed, resource=resource)) >= 3, what="its events in the trace")
    found = records(signed, resource=resource)
    names = {record.subject.rpartition(".")[2] for record in found}
    assert {"registered", "connected", "feasibility-checked"} <= names
    assert [record.sequence for record in found] == sorted(record.sequence for record in found)
    newest = records(signed, resource=resource, newest_first=True)
    assert newest == list(reversed(found))
    second = records(signed, resource=resource, newest_first=True, before=newest[0].sequence, limit=1)
    assert second == [newest[1]]
    only = records(signed, resource=resource, message_type="sms.registry.server-registered")
    assert [record.subject for record in only] == [subjects.evt(ACCOUNT, "server", server_id, "registered")]
    first_at, last_at = found[0].recorded_at.isoformat(), found[-1].recorded_at.isoformat()
    assert records(signed, resource=resource, until_time=first_at) == []
    assert records(signed, resource=resource, from_time=first_at, until_time=last_at) == [
        record for record in found if record.recorded_at < found[-1].recorded_at
    ]
    assert records(signed, resource="server:unknown") == []
    assert signed.get("/v3/audit/records", params={"limit": 501}).status_code == 400
    assert signed.get("/v3/audit/records", params={"from_time": "yesterday"}).status_code == 400


def test_a_change_and_a_denial_are_found_with_actor_key_address_resource_result_and_request(
    api: ApiBench, signed: httpx.Client
) -> None:
    answer = signed.post("/v3/sources/s-unknown/logs", json={})
    assert answer.status_code == 404
    request_id = answer.headers["X-Request-Id"]
    (record,) = recorded(signed, request_id=request_id)
    assert record.message_type == "sms.api.request-recorded:1"
    assert record.actor != ""
    told = {
        "operation": "collect_server_log",
        "resource": "server:s-unknown",
        "access_key": api.root[0],
        "source_address": "127.0.0.1",
        "request_id": request_id,
        "status": 404,
        "error_code": "SMS.REGISTRY.SERVER_NOT_FOUND",
    }
    assert told.items() <= record.data.items()
    for query in (
        {"resource": "server:s-unknown"},
        {"access_key": api.root[0]},
        {"actor": record.actor},
        {"outcome": record.data["outcome"]},
    ):
        found = records(signed, newest_first=True, limit=500, **query)
        assert record.sequence in [each.sequence for each in found], query
    with api.client((api.root[0], "a wrong secret")) as stranger:
        assert stranger.get("/v3/audit/records").status_code == 401
        refused = stranger.post("/v3/audit/checkpoints", json={})
        assert refused.status_code == 401


def test_checkpoints_are_signed_and_a_record_is_proven_under_them(api: ApiBench, signed: httpx.Client) -> None:
    api.register_server("proven")
    made = signed.post("/v3/audit/checkpoints", json={}).json()
    (checkpoint,) = [Checkpoint.model_validate(each) for each in made["checkpoints"]]
    key = read_public_key(made["public_key"])
    assert is_genuine(checkpoint, key)
    listed = signed.get("/v3/audit/checkpoints", params={"newest_first": True, "limit": 1}).json()
    assert Checkpoint.model_validate(listed["checkpoints"][0]) == checkpoint
    answer = signed.get("/v3/audit/records/1/proof", params={"checkpoint": checkpoint.number})
    proof = InclusionProof.model_validate(answer.json())
    assert is_included(
        proof.record.record_hash,
        0,
        size=checkpoint.tree_size,
        root=bytes.fromhex(checkpoint.root_hash),
        path=[bytes.fromhex(each) for each in proof.path],
    )
    unknown = signed.get("/v3/audit/records/999999999/proof")
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "SMS.AUDIT.NOT_UNDER_CHECKPOINT")
    first = signed.get(f"/v3/audit/checkpoints/{checkpoint.number}/consistency").json()
    assert first["first"]["number"] == checkpoint.number
    verified = signed.get("/v3/audit/verification").json()
    assert verified["is_intact"]
    assert verified["last_checkpoint"] >= checkpoint.tree_size
    assert signed.get("/v3/audit/exports", params={"cursor": "x"}).json()["error_code"] == "SMS.AUDIT.BAD_CURSOR"


def test_the_command_line_exports_verifies_offline_and_lists(
    profile: str, api: ApiBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def sms(*arguments: str, status: int = 0) -> dict:
        assert run(["--profile", profile, *arguments, "--output", "json"]) == status
        return json.loads(capsys.readouterr().out)

    def offline(*arguments: str, status: int = 0) -> dict:
        assert run(["audit", "verify", *arguments, "--output", "json"]) == status
        return json.loads(capsys.readouterr().out)

    server_id = api.register_server("exported")
    kept, export = tmp_path / "kept.json", tmp_path / "trace.jsonl"
    kept.write_text(json.dumps(sms("audit", "checkpoints", "--make")))
    said = sms("audit", "export", str(export))
    assert said["lines"] == len(export.read_bytes().splitlines())
    assert export.stat().st_mode & 0o777 == 0o600
    key_file = api.files.keys_folder / "audit.signing.pub"
    verdict = offline(str(export), "--public-key", str(key_file), "--kept", str(kept))
    assert (verdict["is_intact"], verdict["reason"]) == (True, "")
    assert verdict["public_key"] == key_file.read_text().strip()
    changed = tmp_path / "changed.jsonl"
    changed.write_bytes(export.read_bytes().replace(server_id.encode(), b"s-somebody-el", 1))
    verdict = offline(str(changed), status=4)
    assert not verdict["is_intact"]
    assert verdict["broken_at"] > 0
    assert offline(str(export), "--public-key", "00" * 32, status=4)["reason"] != ""
    assert sms("audit", "verify")["is_intact"]
    listed = sms("audit", "list", "--resource", f"server:{server_id}", "--since", "2026-01-01", "--newest")
    assert listed["count"] >= 2
    assert sms("audit", "list", "--until", "2020-01-01")["count"] == 0
    assert sms("audit", "proof", "1")["record"]["sequence"] == 1
    assert run(["audit", "verify", str(tmp_path / "none")]) == 2
    assert run(["audit", "verify", str(export), "--public-key", "xyz"]) == 2
    assert run(["audit", "verify", str(export), "--kept", str(export)]) in {2, 4}


def test_a_subscriber_hears_what_the_trace_then_holds(api: ApiBench, signed: httpx.Client) -> None:
    """docs/events.md: a gap is closed from the trace, by the ids of the events."""

    async def hear(server_id: str) -> list[str]:
        access_key, secret_key = api.root
        client = await nats.connect(
            api.files.url,
            tls=api.tls(),
            tls_handshake_first=True,
            user=user_name("events", access_key),
            password=fresh_password(access_key, secret_key),
            inbox_prefix=events_inbox(access_key),
        )
        heard = await client.subscribe(f"sms.v1.evt.{ACCOUNT}.server.{server_id}.>")
        await client.flush()
        await asyncio.to_thread(api.register_server, "heard", server_id=server_id)
        found = []
        for _ in range(3):
            message = await heard.next_msg(timeout=10)
            found.append(Envelope.from_headers(dict(message.headers or {})).id)
        await client.close()
        return found

    server_id = f"s-{uuid.uuid4().hex[:12]}"
    heard = asyncio.run(hear(server_id))
    wait_until(
        lambda: set(heard) <= {record.message_id for record in records(signed, resource=f"server:{server_id}")},
        what="the heard events in the trace",
    )


@pytest.fixture
def agent(api: ApiBench, tmp_path: Path) -> Iterator[AgentSession]:
    """A real agent that has registered its server, with a log that somebody was careless with."""
    access_key, secret_key = api.root
    folder = tmp_path / "agent" / "log"
    folder.mkdir(parents=True)
    (folder / "agent.log.1").write_text("the older file\n")
    (folder / "agent.log").write_text(f"a login with {CANARY}\nthe \x1b[31mlast line\n")
    inventory = SourceInventory.model_validate_json((INVENTORIES / "debian_11_bios.json").read_text())

    async def start() -> AgentSession:
        session = AgentSession(
            bus_url=api.files.url,
            ca_file=api.files.ca_file,
            state_folder=tmp_path / "agent",
            role="source",
            credential=Credential(form="ak", identifier=access_key, secret=secret_key, account=ACCOUNT),
            hostname="logged",
            fingerprint={},
            version="1.0",
        )
        await session.start()
        await session.wait_connected()
        status = AgentRegistered(role="source", session_id=session.session_id, inventory=inventory)
        await session.publish_status(status)
        await session.wait_sent()
        return session

    session = api.run(start())
    yield session
    api.run(session.stop())


def test_the_log_of_a_real_agent_is_collected_masked_listed_and_written_to_a_file(
    profile: str, agent: AgentSession, signed: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/v3/sources/{agent.agent_id}/logs"
    wait_until(lambda: signed.get(path).status_code == 200, what="the server of the agent")
    file = tmp_path / "collected.log"
    assert run(["--profile", profile, "server", "log", agent.agent_id, "--file", str(file)]) == 0
    assert file.read_text() == "the older file\na login with ***\nthe \N{REPLACEMENT CHARACTER}[31mlast line\n"
    assert file.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert run(["--profile", profile, "server", "log", agent.agent_id, "--kept", "newest"]) == 0
    assert capsys.readouterr().out == file.read_text()
    assert run(["--profile", profile, "server", "logs", agent.agent_id, "--output", "json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["logs"]
    assert (listed["state"], listed["size_bytes"]) == ("complete", file.stat().st_size)
    missing = signed.get(f"{path}/{listed['log_id']}", params={"part": 1})
    assert (missing.status_code, missing.json()["error_code"]) == (404, "SMS.REGISTRY.LOG_NOT_FOUND")
    assert recorded(signed, resource=f"server:{agent.agent_id}", message_type="sms.registry.log-collected")


def test_an_agent_that_takes_no_commands_is_reported_with_a_code(api: ApiBench, signed: httpx.Client) -> None:
    server_id = api.register_server("silent")
    refused = signed.post(f"/v3/sources/{server_id}/logs", json={})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "SMS.REGISTRY.LOG_AGENT_AWAY")
