"""Logins that are refused, and what is traced of them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from agents.session.credential import Credential
from agents.session.own_key import OwnKey
from contracts.errors import MigrationError
from contracts.login import (
    LoginProof,
    agent_inbox,
    decode_proof,
    encode_bytes,
    encode_proof,
    shared_secret_signature,
    signed_text,
    user_name,
)
from contracts.messages.identity import EnrolmentToken, IssueEnrolmentToken
from contracts.subjects import req
from tests.bus.identity.secure_bus import SecureBus, ask, inbox_of, new_account


async def new_credential(bus: SecureBus) -> Credential:
    account = new_account()
    made = await bus.new_credential(account)
    return Credential(form="ak", identifier=made.access_key, secret=made.secret_key, account=account)


async def assert_denied(bus: SecureBus, user: str, password: str, inbox: str) -> None:
    with pytest.raises(NatsError, match="Authorization Violation"):
        await bus.login(user, password, inbox)


def proof(credential: Credential, *, seconds: int = 0, nonce: bytes = b"n" * 16) -> str:
    now, text = int(time.time()) + seconds, encode_bytes(nonce)
    signature = shared_secret_signature(credential.secret, signed_text(credential.identifier, time=now, nonce=text))
    return encode_proof(LoginProof(time=now, nonce=text, signature=encode_bytes(signature)))


async def test_a_proof_is_accepted_once(bus: SecureBus) -> None:
    credential = await new_credential(bus)
    password = credential.password()
    first = await bus.login(credential.user_name, password, inbox_of(credential.identifier))
    await first.client.close()
    await assert_denied(bus, credential.user_name, password, inbox_of(credential.identifier))


async def test_an_agents_proof_is_accepted_once_even_after_identity_was_killed(
    own_bus: SecureBus, tmp_path: Path
) -> None:
    credential = await new_credential(own_bus)
    (tmp_path / "agent").mkdir()
    key = OwnKey.read_or_make(tmp_path / "agent")
    guest = await own_bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
    agent_id = (await guest.enrol(credential.account, credential.identifier, key.public_text)).agent_id
    password = key.password(agent_id)
    agent = await own_bus.login(user_name("agent", agent_id), password, agent_inbox(agent_id))
    own_bus.kill_identity()
    own_bus.start_identity()
    await own_bus.wait_identity()
    await assert_denied(own_bus, user_name("agent", agent_id), password, agent_inbox(agent_id))
    await agent.client.close()
    await guest.client.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: encode_proof(good.model_copy(update={"time": good.time + 1})),
        lambda good: encode_proof(good.model_copy(update={"nonce": encode_bytes(b"m" * 16)})),
        lambda good: encode_proof(good.model_copy(update={"signature": encode_bytes(b"s" * 32)})),
        lambda good: encode_proof(good.model_copy(update={"signature": "="})),
        lambda good: encode_proof(good.model_copy(update={"nonce": "short"})),
        lambda good: "x" * 2000,
        lambda good: "",
        lambda good: encode_bytes(b"[]"),
    ],
)
async def test_a_spoiled_proof_is_refused(bus: SecureBus, spoil: object) -> None:
    assert callable(spoil)
    credential = await new_credential(bus)
    password = spoil(decode_proof(credential.password()))
    await assert_denied(bus, credential.user_name, password, inbox_of(credential.identifier))


async def test_a_clock_that_is_more_than_300_s_off_is_refused(bus: SecureBus) -> None:
    credential = await new_credential(bus)
    for seconds in (-310, 310):
        password = proof(credential, seconds=seconds)
        await assert_denied(bus, credential.user_name, password, inbox_of(credential.identifier))
    slow = await bus.login(credential.user_name, proof(credential, seconds=-290), inbox_of(credential.identifier))
    await slow.client.close()


async def test_unknown_names_are_refused(bus: SecureBus) -> None:
    stranger = Credential(form="ak", identifier="AKNOBODY", secret="x")  # noqa: S106 - nobody has it
    await assert_denied(bus, stranger.user_name, stranger.password(), inbox_of("AKNOBODY"))
    await assert_denied(bus, "root", stranger.password(), "_INBOX_root")
    await assert_denied(bus, "ak:*", stranger.password(), "_INBOX_x")
    await assert_denied(bus, "agent:>", stranger.password(), "_INBOX_x")


async def test_a_denied_login_is_in_the_audit_stream_without_its_proof(bus: SecureBus) -> None:
    credential = await new_credential(bus)
    wrong = Credential(form="ak", identifier=credential.identifier, secret="wrong")  # noqa: S106 - it is
    password = wrong.password()
    await assert_denied(bus, wrong.user_name, password, inbox_of(wrong.identifier))
    audit = await bus.service("audit")
    subscription = await audit.jetstream().pull_subscribe(
        f"sms.v1.audit.{credential.account}.login-denied", durable="audit-test", stream="AUDIT"
    )
    record = (await subscription.fetch(1, timeout=10))[0]
    data = json.loads(record.data)
    assert (data["login"], data["reason"]) == (wrong.user_name, "signature")
    assert password not in bus.log_of_identity()
    assert credential.secret not in bus.log_of_identity()
    await audit.close()


async def test_three_hundred_agents_log_in_at_once(bus: SecureBus) -> None:
    credential = await new_credential(bus)
    started_at = time.monotonic()

    async def once() -> None:
        guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
        await guest.client.close()

    await asyncio.gather(*(once() for _ in range(300)))
    seconds = time.monotonic() - started_at
    assert seconds < 20, f"300 logins at once took {seconds:.2f} s"


async def new_token(bus: SecureBus, account: str, request_id: str = "t1:helper:1") -> EnrolmentToken:
    provisioner = await bus.service("target_provisioner")
    try:
        return await ask(
            provisioner,
            req("identity", "issue-enrolment-token"),
            IssueEnrolmentToken(request_id=request_id, task_id="t1"),
            EnrolmentToken,
            account=account,
        )
    finally:
        await provisioner.close()


async def test_a_token_enrols_one_key_only(bus: SecureBus, tmp_path: Path) -> None:
    account = new_account()
    token = await new_token(bus, account)
    credential = Credential(form="token", identifier=token.token_id, secret=token.secret, account=account)
    keys = []
    for name in ("helper", "thief"):
        (tmp_path / name).mkdir()
        keys.append(OwnKey.read_or_make(tmp_path / name))
    for _ in range(2):
        guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
        reply = await guest.enrol(account, credential.identifier, keys[0].public_text, role="target")
        assert reply.agent_id == token.agent_id
        await guest.client.close()
    guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
    with pytest.raises(MigrationError, match="has been used"):
        await guest.enrol(account, credential.identifier, keys[1].public_text, role="target")
    await guest.client.close()
    agent = await bus.agent(token.agent_id, keys[0])
    await agent.client.close()


async def test_a_new_token_voids_the_last_and_rebinds_the_agent(bus: SecureBus, tmp_path: Path) -> None:
    account = new_account()
    tokens = [await new_token(bus, account), await new_token(bus, account)]
    assert tokens[0].agent_id == tokens[1].agent_id
    old, new = (
        Credential(form="token", identifier=token.token_id, secret=token.secret, account=account) for token in tokens
    )
    await assert_denied(bus, old.user_name, old.password(), inbox_of(old.identifier))
    (tmp_path / "helper").mkdir()
    key = OwnKey.read_or_make(tmp_path / "helper")
    guest = await bus.login(new.user_name, new.password, inbox_of(new.identifier))
    assert (await guest.enrol(account, new.identifier, key.public_text, role="target")).agent_id == tokens[0].agent_id
    await guest.client.close()
