"""The issuer on a real bus: commands in, facts out, killed and repeated at will."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.messages.certificate_issuer import (
    AuthorityCreated,
    AuthorityDestroyed,
    CertificateIssued,
    CertificateRefused,
    CertificatesRevoked,
    CreateAuthority,
    DestroyAuthority,
    IssueCertificate,
    RevokeCertificates,
)
from services.certificate_issuer.bootstrap import wire
from services.certificate_issuer.handlers import AUTHORITIES, REFUSALS
from services.certificate_issuer.settings import CertificateIssuerSettings
from shared.service import ServiceContext
from shared.store import Collection, OutgoingMessage, Record

SAID = Collection(name="said")
FACTS = (AuthorityCreated, AuthorityDestroyed, CertificateIssued, CertificateRefused, CertificatesRevoked)
VERBS = {
    CreateAuthority: "create-authority",
    IssueCertificate: "issue-certificate",
    RevokeCertificates: "revoke-certificates",
    DestroyAuthority: "destroy-authority",
}


class TaskSide:
    """Says commands through an outbox and hears the facts, as the task service does."""

    def __init__(self, bench) -> None:
        self.bench = bench
        self.heard: asyncio.Queue[tuple[Message, Envelope]] = asyncio.Queue()
        self.context: ServiceContext | None = None

    async def wire(self, context: ServiceContext) -> None:
        self.context = context
        context.bus.on_event("sms.v1.evt.*.certificate.>", FACTS, self.hear)

    async def hear(self, fact: Message, envelope: Envelope) -> None:
        self.heard.put_nowait((fact, envelope))

    async def say(self, command: Message, *, message_id: str = "") -> None:
        assert self.context is not None
        subject = subjects.cmd("certificate_issuer", VERBS[type(command)])
        message = OutgoingMessage.of(
            subject, command, source="task", account="acme", message_id=message_id, correlation_id="t1"
        )
        number = await self.context.store.count("said", "acme")
        said = Record(collection="said", account="acme", id=str(number), data={})
        await self.context.store.save(said, expected_version=0, outbox=[message])

    async def next(self) -> Message:
        fact, envelope = await asyncio.wait_for(self.heard.get(), 10)
        assert (envelope.account, envelope.correlation_id) == ("acme", "t1")
        return fact

    async def ask(self, command: Message) -> Message:
        await self.say(command)
        return await self.next()


def issuer_settings(bench) -> CertificateIssuerSettings:
    base = bench.settings("certificate_issuer").model_dump()
    return CertificateIssuerSettings.model_validate(base | {"seal_key_file": bench.folder / "seal"})


@asynccontextmanager
async def issuing(bench) -> AsyncIterator[ServiceContext]:
    async with bench.running(issuer_settings(bench), wire, [AUTHORITIES, REFUSALS]) as context:
        yield context


@pytest.fixture
async def task(bench) -> AsyncIterator[TaskSide]:
    side = TaskSide(bench)
    async with bench.running("task", side.wire, [SAID]):
        yield side


def issue(role: str = "source", request_id: str = "r1", *, names: str = "") -> IssueCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(names or f"{role}.t1.sms")]), critical=False
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    return IssueCertificate(task_id="t1", role=role, csr_pem=pem, request_id=request_id)


async def test_a_task_gets_an_authority_and_certificates_until_it_ends(bench, task) -> None:
    async with issuing(bench):
        created = await task.ask(CreateAuthority(task_id="t1"))
        assert isinstance(created, AuthorityCreated)
        authority = x509.load_pem_x509_certificate(created.authority_pem.encode())
        for role in ("source", "target"):
            issued = await task.ask(issue(role))
            assert isinstance(issued, CertificateIssued)
            assert (issued.role, issued.authority_pem) == (role, created.authority_pem)
            x509.load_pem_x509_certificate(issued.certificate_pem.encode()).verify_directly_issued_by(authority)
        revoked = await task.ask(RevokeCertificates(task_id="t1"))
        assert isinstance(revoked, CertificatesRevoked)
        assert len(revoked.serials) == 2
        assert isinstance(await task.ask(issue("source", "r2")), CertificateIssued)
        assert isinstance(await task.ask(DestroyAuthority(task_id="t1")), AuthorityDestroyed)
        refused = await task.ask(issue("source", "r3"))
        assert isinstance(refused, CertificateRefused)
        assert refused.failure.code == "SMS.CERT.NO_AUTHORITY"
        assert isinstance(await task.ask(CreateAuthority(task_id="t1")), AuthorityDestroyed)


async def test_a_repeated_request_has_the_same_answer(bench, task) -> None:
    async with issuing(bench):
        first = await task.ask(CreateAuthority(task_id="t1"))
        assert await task.ask(CreateAuthority(task_id="t1")) == first
        request = issue()
        issued = await task.ask(request)
        assert await task.ask(request) == issued
        renewed = await task.ask(request.model_copy(update={"request_id": "r2"}))
        assert isinstance(renewed, CertificateIssued)
        assert isinstance(issued, CertificateIssued)
        assert renewed.serial != issued.serial


async def test_a_redelivered_command_has_no_second_effect(bench, task) -> None:
    async with issuing(bench) as context:
        await task.ask(CreateAuthority(task_id="t1"))
        request = issue()
        await task.say(request, message_id="m1")
        assert isinstance(await task.next(), CertificateIssued)
        before = await context.store.load("authorities", "acme", "t1")
        # Straight into the stream under another de-duplication id: the bus hands out the same command once more.
        again = OutgoingMessage.of(
            subjects.cmd("certificate_issuer", "issue-certificate"), request, source="task", account="acme"
        )
        headers = dict(again.headers) | {"ce-id": "m1", "Nats-Msg-Id": "other"}
        await context.bus.jetstream.publish(again.subject, again.payload.encode(), headers=headers)
        await asyncio.sleep(0.5)
        assert task.heard.empty()
        assert await context.store.load("authorities", "acme", "t1") == before


async def test_a_command_waits_for_an_issuer_that_is_down(bench, task) -> None:
    async with issuing(bench):
        created = await task.ask(CreateAuthority(task_id="t1"))
    await task.say(issue())
    async with issuing(bench):
        issued = await task.next()
        assert isinstance(issued, CertificateIssued)
        assert isinstance(created, AuthorityCreated)
        assert issued.authority_pem == created.authority_pem


async def test_a_hostile_or_early_request_is_refused_with_its_code(bench, task) -> None:
    async with issuing(bench):
        early = await task.ask(issue())
        assert isinstance(early, CertificateRefused)
        assert early.failure.code == "SMS.CERT.NO_AUTHORITY"
        await task.ask(CreateAuthority(task_id="t1"))
        foreign = await task.ask(issue(names="target.t1.sms"))
        assert isinstance(foreign, CertificateRefused)
        assert foreign.failure.code == "SMS.CERT.ROLE_MISMATCH"
        broken = await task.ask(issue().model_copy(update={"csr_pem": "-----BEGIN CERTIFICATE REQUEST-----\nx"}))
        assert isinstance(broken, CertificateRefused)
        assert broken.failure.code == "SMS.CERT.REQUEST_UNREADABLE"


async def test_an_authority_key_is_in_no_message_and_only_sealed_in_the_store(bench, task) -> None:
    async with issuing(bench) as context:
        await task.ask(CreateAuthority(task_id="t1"))
        await task.ask(issue())
        record = await context.store.load("authorities", "acme", "t1")
        assert record is not None
        assert record.data["sealed_key"]
        assert "PRIVATE" not in json.dumps(record.data)
        stream = await context.bus.jetstream.stream_info("EVT")
        for number in range(1, stream.state.messages + 1):
            message = await context.bus.jetstream.get_msg("EVT", number)
            assert b"PRIVATE" not in (message.data or b"")
            assert record.data["sealed_key"].encode() not in (message.data or b"")
        await task.ask(DestroyAuthority(task_id="t1"))
        destroyed = await context.store.load("authorities", "acme", "t1")
        assert destroyed is not None
        assert destroyed.data["sealed_key"] == ""
    # Neither may the freed pages of the database file hold it.
    for file in Path(bench.folder).glob("certificate_issuer.sqlite*"):
        assert record.data["sealed_key"].encode() not in file.read_bytes(), file
