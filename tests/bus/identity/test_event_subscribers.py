"""External subscribers hear the events of their own account, and nothing else."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts.login import (
    NONCE_BYTES,
    LoginProof,
    encode_bytes,
    encode_proof,
    events_inbox,
    shared_secret_signature,
    signed_text,
)
from contracts.messages.identity import CredentialSecret, DisableCredential
from contracts.messages.reply import Accepted
from contracts.subjects import evt, req
from tests.bus.identity.secure_bus import Guest, SecureBus, ask, inbox_of, new_account


@dataclass
class Heard:
    """The subjects that a subscription received."""

    subjects: list[str]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.subjects) < count:
                await asyncio.sleep(0.01)


def proof_of(key: CredentialSecret) -> str:
    now, nonce = int(time.time()), encode_bytes(secrets.token_bytes(NONCE_BYTES))
    signature = shared_secret_signature(key.secret_key, signed_text(key.access_key, time=now, nonce=nonce))
    return encode_proof(LoginProof(time=now, nonce=nonce, signature=encode_bytes(signature)))


async def subscriber(bus: SecureBus, key: CredentialSecret) -> Guest:
    return await bus.login(f"events:{key.access_key}", proof_of(key), events_inbox(key.access_key))


async def hear(guest: Guest, subject: str) -> Heard:
    heard = Heard([])

    async def on_message(raw: object) -> None:
        heard.subjects.append(getattr(raw, "subject", ""))

    await guest.client.subscribe(subject, cb=on_message)
    await guest.client.flush()
    return heard


async def say(task: Client, account: str, what: str) -> None:
    await task.publish(evt(account, "task", "t1", what), b"{}")
    await task.flush()


async def violations(guest: Guest) -> int:
    await guest.client.flush()
    await asyncio.sleep(0.1)
    return len([error for error in guest.errors if "permissions violation" in error.lower()])


async def test_a_subscriber_hears_its_own_account_only(bus: SecureBus) -> None:
    account, other = new_account(), new_account()
    key = await bus.new_credential(account)
    guest, task = await subscriber(bus, key), await bus.service("task")
    heard = await hear(guest, f"sms.v1.evt.{account}.>")
    for owner in (other, account, f"{account}x", account):
        await say(task, owner, "state-changed")
    await heard.until(2)
    await asyncio.sleep(0.1)
    assert heard.subjects == [evt(account, "task", "t1", "state-changed")] * 2
    await guest.client.close()
    await task.close()


async def test_a_subscriber_is_refused_every_other_subject(bus: SecureBus) -> None:
    account = new_account()
    key = await bus.new_credential(account)
    guest = await subscriber(bus, key)
    foreign = (
        ">",
        "*.>",
        "sms.v1.>",
        "sms.v1.evt.>",
        "sms.v1.evt.*.task.>",
        f"sms.v1.evt.{new_account()}.>",
        f"sms.v1.agent.{account}.>",
        f"sms.v1.audit.{account}.>",
        f"sms.v1.enrol.{account}.{key.access_key}",
        "sms.v1.req.>",
        "sms.v1.cmd.>",
        "$SYS.>",
        "$JS.>",
        "_INBOX.>",
        "_INBOX_task.>",
        f"{inbox_of(key.access_key)}.>",
    )
    heard = [await hear(guest, subject) for subject in foreign]
    assert await violations(guest) == len(foreign), guest.errors
    task = await bus.service("task")
    await say(task, new_account(), "state-changed")
    await asyncio.sleep(0.2)
    assert all(not one.subjects for one in heard)
    await task.close()
    await guest.client.close()


async def test_a_subscriber_says_nothing(bus: SecureBus) -> None:
    account = new_account()
    key = await bus.new_credential(account)
    guest = await subscriber(bus, key)
    tried = (
        evt(account, "task", "t1", "state-changed"),
        f"sms.v1.enrol.{account}.{key.access_key}",
        "sms.v1.req.identity.authorize",
        "sms.v1.cmd.task.start",
        f"sms.v1.agent.{account}.a.status.result",
        f"{events_inbox(key.access_key)}.x",
        "$JS.API.INFO",
        "$JS.API.CONSUMER.CREATE.EVT",
        "anything",
    )
    for subject in tried:
        await guest.client.publish(subject, b"{}", reply=f"{events_inbox(key.access_key)}.r")
    assert await violations(guest) == len(tried), guest.errors
    await guest.client.close()


async def test_a_disabled_key_cuts_its_subscriber_within_5_s(bus: SecureBus) -> None:
    account = new_account()
    key, gateway = await bus.new_credential(account), await bus.service("gateway")
    guest = await subscriber(bus, key)
    heard = await hear(guest, f"sms.v1.evt.{account}.>")
    started_at = time.monotonic()
    subject = req("identity", "disable-credential")
    await ask(gateway, subject, DisableCredential(access_key=key.access_key), Accepted, account=account)
    while guest.closed_at is None:
        assert time.monotonic() - started_at < 5
        await asyncio.sleep(0.01)
    with pytest.raises(NatsError, match="Authorization Violation"):
        await subscriber(bus, key)
    task, before = await bus.service("task"), len(heard.subjects)
    await say(task, account, "state-changed")
    await asyncio.sleep(0.2)
    assert len(heard.subjects) == before
    await task.close()
    await gateway.close()


async def test_a_proof_serves_one_login_in_one_form(bus: SecureBus) -> None:
    key = await bus.new_credential(new_account())
    proof = proof_of(key)
    guest = await bus.login(f"ak:{key.access_key}", proof, inbox_of(key.access_key))
    with pytest.raises(NatsError, match="Authorization Violation"):
        await bus.login(f"events:{key.access_key}", proof, events_inbox(key.access_key))
    await guest.client.close()
