"""Disabled keys and refused agents lose the bus at once; a dead identity costs nobody a connection."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path

import pytest

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.messages.agent import AgentResult, DetachReplica
from contracts.messages.identity import (
    CreateCredential,
    CredentialList,
    CredentialSecret,
    DisableCredential,
    ListCredentials,
    RefuseAgent,
)
from contracts.messages.reply import Accepted
from contracts.subjects import cmd, req
from tests.bus.identity.secure_bus import SecureBus, ask, inbox_of, new_account
from tests.bus.identity.sessions import Results, access_key, command, connected, session_of


async def until_disconnected(session: object, *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while getattr(session, "is_connected", False):
            await asyncio.sleep(0.01)


async def disable(bus: SecureBus, account: str, access_key: str) -> None:
    gateway = await bus.service("gateway")
    subject = req("identity", "disable-credential")
    await ask(gateway, subject, DisableCredential(access_key=access_key), Accepted, account=account)
    await gateway.close()


async def test_a_disabled_key_cuts_its_login_and_its_agents_within_5_s(bus: SecureBus, tmp_path: Path) -> None:
    credential = await access_key(bus)
    bystander = await access_key(bus)
    async with (
        connected(session_of(bus, tmp_path / "agent", credential)) as session,
        connected(session_of(bus, tmp_path / "bystander", bystander)) as other,
    ):
        guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
        started_at = time.monotonic()
        await disable(bus, credential.account, credential.identifier)
        await until_disconnected(session, within_s=5)
        while guest.closed_at is None:
            assert time.monotonic() - started_at < 5
            await asyncio.sleep(0.01)
        assert time.monotonic() - started_at < 5
        await asyncio.sleep(3)
        assert not session.is_connected, "it does not come back"
        assert other.is_connected


async def test_an_agent_comes_back_as_itself_with_a_new_key(bus: SecureBus, tmp_path: Path) -> None:
    old = await access_key(bus)
    async with connected(session_of(bus, tmp_path / "agent", old)) as session:
        agent_id = session.agent_id
    new = await access_key(bus, old.account)
    await disable(bus, old.account, old.identifier)
    async with connected(session_of(bus, tmp_path / "agent", new)) as again:
        assert again.agent_id == agent_id


async def test_a_refused_agent_is_cut_and_let_in_again_after_its_time(bus: SecureBus, tmp_path: Path) -> None:
    registry = await bus.service("registry")
    async with connected(session_of(bus, tmp_path / "agent", await access_key(bus))) as session:
        message = RefuseAgent(agent_id=session.agent_id, reason="clash", refuse_s=2)
        envelope = Envelope.of(message, source="/services/registry", account=session.account)
        await registry.jetstream().publish(
            cmd("identity", "refuse-agent"), message.model_dump_json().encode(), headers=envelope.headers()
        )
        await until_disconnected(session, within_s=5)
        await asyncio.wait_for(session.wait_connected(), 20)
    await registry.close()


async def test_at_most_two_keys_of_an_account_are_active(bus: SecureBus) -> None:
    account = new_account()
    gateway = await bus.service("gateway")

    async def create() -> CredentialSecret | MigrationError:
        try:
            subject = req("identity", "create-credential")
            return await ask(gateway, subject, CreateCredential(), CredentialSecret, account=account)
        except MigrationError as error:
            return error

    outcomes = await asyncio.gather(*(create() for _ in range(5)))
    made = [outcome for outcome in outcomes if isinstance(outcome, CredentialSecret)]
    refused = [outcome.code for outcome in outcomes if isinstance(outcome, MigrationError)]
    assert len(made) == 2
    assert refused == ["SMS.IDENTITY.TOO_MANY_CREDENTIALS"] * 3
    await disable(bus, account, made[0].access_key)
    assert isinstance(await create(), CredentialSecret)
    listed = await ask(gateway, req("identity", "list-credentials"), ListCredentials(), CredentialList, account=account)
    assert [view.is_active for view in listed.credentials].count(True) == 2
    assert made[1].secret_key not in listed.model_dump_json()
    with pytest.raises(MigrationError, match=r"SMS\.IDENTITY\.UNKNOWN_CREDENTIAL"):
        await disable(bus, new_account(), made[1].access_key)
    await gateway.close()


async def test_a_secret_key_is_nowhere_on_disk(own_bus: SecureBus, tmp_path: Path) -> None:
    made = await own_bus.new_credential(new_account())
    for path in own_bus.folder.rglob("*"):
        if path.is_file():
            assert made.secret_key.encode() not in path.read_bytes(), path


async def test_a_killed_identity_stops_neither_agents_nor_services(own_bus: SecureBus, tmp_path: Path) -> None:
    session = session_of(own_bus, tmp_path / "agent", await access_key(own_bus))

    async def detach(message: DetachReplica) -> None:
        await session.publish_status(AgentResult(task_id=message.task_id, epoch=message.epoch, verb=message.VERB))

    session.on_command(DetachReplica.VERB, DetachReplica, detach)
    async with connected(session):
        own_bus.kill_identity()
        started_at = time.monotonic()
        task = await own_bus.service("task")
        assert time.monotonic() - started_at < 5, "a service does not wait for identity"
        assert (await command(task, session, DetachReplica(task_id="t1", epoch=1))).failure is None
        assert len(await Results(task, session).take(1)) == 1
        own_bus.kill_server()
        own_bus.start_server()
        await asyncio.sleep(1)
        assert not session.is_connected
        own_bus.start_identity()
        await asyncio.wait_for(session.wait_connected(), 30)
        await task.close()


async def test_a_reply_to_an_enrolment_goes_to_the_enrollers_inbox_only(bus: SecureBus) -> None:
    credential = await access_key(bus)
    task = await bus.service("task")
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(raw: object) -> None:
        heard.put_nowait(getattr(raw, "data", b""))

    await task.subscribe("_INBOX_task.>", cb=hear)
    await task.flush()
    guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
    for reply in ("_INBOX_task.x", "sms.v1.cmd.task.start", "_INBOX_enrol_other.x"):
        await guest.client.publish(
            f"sms.v1.enrol.{credential.account}.{credential.identifier}",
            b"{}",
            reply=reply,
            headers={"Nats-Msg-Id": str(uuid.uuid4())},
        )
    await guest.client.flush()
    await asyncio.sleep(0.3)
    assert heard.empty()
    await guest.client.close()
    await task.close()
