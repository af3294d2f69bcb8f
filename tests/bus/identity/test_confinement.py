"""What each kind of login can do on the bus, and what the bus itself refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from agents.session.credential import Credential
from agents.session.own_key import OwnKey
from contracts.errors import MigrationError
from contracts.login import agent_inbox, service_inbox
from contracts.permissions import BUS_USERS
from tests.bus.identity.secure_bus import Guest, SecureBus, inbox_of, new_account


@dataclass
class Enrolled:
    account: str
    agent_id: str
    key: OwnKey
    credential: Credential


def key_in(folder: Path) -> OwnKey:
    folder.mkdir(exist_ok=True)
    return OwnKey.read_or_make(folder)


async def enrol_one(bus: SecureBus, folder: Path, account: str) -> Enrolled:
    made = await bus.new_credential(account)
    credential = Credential(form="ak", identifier=made.access_key, secret=made.secret_key, account=account)
    return await enrol_key(bus, folder, credential)


async def enrol_key(bus: SecureBus, folder: Path, credential: Credential) -> Enrolled:
    key = key_in(folder)
    guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
    reply = await guest.enrol(credential.account, credential.identifier, key.public_text)
    await guest.client.close()
    return Enrolled(credential.account, reply.agent_id, key, credential)


@pytest.fixture
async def enrolled(bus: SecureBus, tmp_path: Path) -> Enrolled:
    return await enrol_one(bus, tmp_path / "one", new_account())


@pytest.fixture
async def agent(bus: SecureBus, enrolled: Enrolled) -> AsyncIterator[Guest]:
    guest = await bus.agent(enrolled.agent_id, enrolled.key)
    yield guest
    await guest.client.close()


async def refusals(guest: Guest) -> list[str]:
    await guest.client.flush()
    await asyncio.sleep(0.05)
    return [error for error in guest.errors if "permissions violation" in error.lower()]


async def test_an_access_key_may_enrol_and_nothing_else(bus: SecureBus, enrolled: Enrolled) -> None:
    credential = enrolled.credential
    guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
    tried = (
        f"sms.v1.agent.{enrolled.account}.{enrolled.agent_id}.status.result",
        f"sms.v1.enrol.{enrolled.account}.AKOTHER",
        f"sms.v1.enrol.other.{credential.identifier}",
        "sms.v1.req.identity.create-credential",
        "sms.v1.cmd.identity.refuse-agent",
        "$JS.API.STREAM.LIST",
        "$SYS.REQ.USER.AUTH",
    )
    for subject in tried:
        await guest.client.publish(subject, b"{}")
    assert len(await refusals(guest)) == len(tried)
    for subject in (">", "sms.v1.>", "_INBOX.>", service_inbox("gateway") + ".>", "sms.v1.enrol.>"):
        await guest.client.subscribe(subject)
    assert len(await refusals(guest)) == len(tried) + 5
    await guest.client.close()


async def test_an_agent_cannot_publish_outside_its_statuses(agent: Guest, enrolled: Enrolled) -> None:
    own = f"sms.v1.agent.{enrolled.account}"
    tried = (
        f"{own}.another.status.result",
        f"sms.v1.agent.other.{enrolled.agent_id}.status.result",
        f"{own}.{enrolled.agent_id}.cmd.copy",
        f"sms.v1.evt.{enrolled.account}.task.t1.state-changed",
        "sms.v1.cmd.task.start",
        "sms.v1.req.registry.list",
        f"sms.v1.enrol.{enrolled.account}.{enrolled.credential.identifier}",
        "$JS.API.INFO",
        "$JS.API.STREAM.CREATE.X",
        "$JS.API.CONSUMER.CREATE.AGENT.x",
        "$JS.ACK.AGENT.x.1.1.1.1.1",
        "$SYS.REQ.SERVER.PING.CONNZ",
        f"{service_inbox('task')}.x",
    )
    for subject in tried:
        await agent.client.publish(subject, b"{}")
    assert len(await refusals(agent)) == len(tried), agent.errors


async def test_an_agent_cannot_subscribe_outside_its_commands(agent: Guest, enrolled: Enrolled) -> None:
    own = f"sms.v1.agent.{enrolled.account}"
    tried = (
        ">",
        "sms.>",
        "sms.v1.agent.>",
        f"{own}.*.cmd.>",
        f"{own}.another.cmd.>",
        f"{own}.{enrolled.agent_id}.status.>",
        "sms.v1.evt.>",
        "$JS.API.>",
        "$SYS.>",
        "$SYS.REQ.USER.AUTH",
        "_INBOX.>",
        f"{agent_inbox('another')}.>",
    )
    for subject in tried:
        await agent.client.subscribe(subject)
    assert len(await refusals(agent)) == len(tried), agent.errors


async def test_an_agent_answers_a_command_once_and_only_there(bus: SecureBus, agent: Guest, enrolled: Enrolled) -> None:
    async def answer(raw: object) -> None:
        reply = getattr(raw, "reply", "")
        await agent.client.publish(reply, b"first")
        await agent.client.publish(reply, b"second")

    subject = f"sms.v1.agent.{enrolled.account}.{enrolled.agent_id}.cmd.copy"
    await agent.client.subscribe(subject, cb=answer)
    await agent.client.flush()
    task = await bus.service("task")
    assert (await task.request(subject, b"{}", timeout=5)).data == b"first"
    assert len(await refusals(agent)) == 1
    await task.close()


async def test_its_status_reaches_the_stream_without_the_jetstream_api(agent: Guest, enrolled: Enrolled) -> None:
    subject = f"sms.v1.agent.{enrolled.account}.{enrolled.agent_id}.status.result"
    acknowledged = await agent.client.request(subject, b"{}", timeout=5, headers={"Nats-Msg-Id": "x"})
    assert b'"stream":"AGENT"' in acknowledged.data


async def test_services_cannot_speak_for_each_other(bus: SecureBus) -> None:
    foreign = {
        "feasibility": ("sms.v1.cmd.task.start", "sms.v1.agent.a.b.cmd.copy", "sms.v1.evt.a.task.t.started"),
        "registry": ("sms.v1.evt.a.task.t.started", "sms.v1.host.create", "sms.v1.agent.a.b.cmd.copy"),
        "audit": ("sms.v1.evt.a.task.t.started", "sms.v1.req.identity.create-credential"),
        "host": ("sms.v1.evt.a.target.t.launched", "$JS.API.INFO"),
        "metering": ("sms.v1.evt.a.task.t.changed", "sms.v1.req.task.act", "sms.v1.cmd.task.start"),
        "notification": ("sms.v1.evt.a.task.t.changed", "sms.v1.req.task.show", "sms.v1.agent.a.b.status.progress"),
        "gateway": (
            "sms.v1.cmd.task.start",
            "sms.v1.host.create",
            "sms.v1.evt.a.task.t.started",
            "sms.v1.agent.a.b.cmd.x",
        ),
        "health": (
            "sms.v1.req.registry.list",
            "sms.v1.req.identity.create-credential",
            "sms.v1.req.identity.health.x",
            "sms.v1.cmd.task.start",
            "sms.v1.host.create",
            "sms.v1.evt.a.task.t.started",
            "$JS.API.INFO",
            f"{service_inbox('task')}.x",
        ),
        "task": ("$JS.API.STREAM.DELETE.EVT", "$JS.API.STREAM.PURGE.AUDIT", "$SYS.REQ.USER.AUTH", "sms.v1.host.x"),
    }
    for user, subjects in foreign.items():
        guest = Guest()
        await guest.client.connect(
            bus.files.url,
            tls=bus.tls(),
            tls_handshake_first=True,
            nkeys_seed=str(bus.files.seed_file(user)),
            inbox_prefix=service_inbox(user),
            allow_reconnect=False,
            error_cb=guest.on_error,
        )
        for subject in subjects:
            await guest.client.publish(subject, b"{}")
        await guest.client.subscribe("$SYS.REQ.USER.AUTH" if user != "identity" else "sms.v1.host.x")
        assert len(await refusals(guest)) == len(subjects) + 1, (user, guest.errors)
        await guest.client.close()


async def test_every_service_user_logs_in(bus: SecureBus) -> None:
    for user in BUS_USERS:
        client = await bus.service(user)
        await client.close()


async def test_enrolling_one_key_again_brings_the_same_agent(
    bus: SecureBus, enrolled: Enrolled, tmp_path: Path
) -> None:
    assert (await enrol_key(bus, tmp_path / "one", enrolled.credential)).agent_id == enrolled.agent_id
    assert (await enrol_key(bus, tmp_path / "two", enrolled.credential)).agent_id != enrolled.agent_id


async def test_an_access_key_does_not_enrol_a_target_agent(bus: SecureBus, enrolled: Enrolled, tmp_path: Path) -> None:
    credential = enrolled.credential
    guest = await bus.login(credential.user_name, credential.password, inbox_of(credential.identifier))
    key = key_in(tmp_path / "target")
    with pytest.raises(MigrationError, match=r"SMS\.IDENTITY\.ENROLMENT_REFUSED"):
        await guest.enrol(credential.account, credential.identifier, key.public_text, role="target")
    await guest.client.close()


async def test_an_agent_cannot_log_in_under_another_id(bus: SecureBus, enrolled: Enrolled, tmp_path: Path) -> None:
    other = await enrol_one(bus, tmp_path / "other", new_account())
    with pytest.raises(NatsError, match="Authorization Violation"):
        await bus.agent(other.agent_id, enrolled.key)


async def test_an_acknowledgement_sent_elsewhere_by_an_agent_changes_no_stream(
    bus: SecureBus, agent: Guest, enrolled: Enrolled
) -> None:
    own = f"sms.v1.agent.{enrolled.account}.{enrolled.agent_id}.status.result"
    task = await bus.service("task")
    jetstream = task.jetstream()
    await jetstream.publish("sms.v1.evt.a.task.t1.kept", b"{}", stream="EVT")
    await agent.client.request(own, b"{}", timeout=5)
    before = {name: (await jetstream.stream_info(name)).state.messages for name in ("EVT", "AGENT")}
    tried = (
        "$JS.API.STREAM.PURGE.EVT",
        "$JS.API.STREAM.DELETE.EVT",
        "$JS.API.STREAM.MSG.DELETE.AGENT",
        "$JS.API.STREAM.UPDATE.EVT",
    )
    for number, reply in enumerate(tried):
        await agent.client.publish(own, b"{}", reply=reply, headers={"Nats-Msg-Id": f"{enrolled.agent_id}:{number}"})
    expected = {"EVT": before["EVT"], "AGENT": before["AGENT"] + len(tried)}
    async with asyncio.timeout(5):
        while (await jetstream.stream_info("AGENT")).state.messages < expected["AGENT"]:
            await asyncio.sleep(0.02)
    after = {name: (await jetstream.stream_info(name)).state.messages for name in ("EVT", "AGENT")}
    assert after == expected
    await task.close()
