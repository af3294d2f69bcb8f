"""Notifications on a real bus to real receivers: what is told, once, through kills and restarts of either side."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nats
import pytest

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_UNKNOWN
from contracts.messages.agent import AgentProgress
from contracts.messages.notification import (
    ChannelDetails,
    ChannelList,
    ChannelSecret,
    ChannelTested,
    CreateChannel,
    DeleteChannel,
    DeliveryGivenUp,
    ListChannels,
    ShowChannel,
    TestChannel,
    UpdateChannel,
)
from contracts.messages.reply import Accepted
from contracts.messages.task import Phase, TaskChanged
from contracts.subjects import agent_status, evt, req
from contracts.transfer import TransferProgress
from services.notification.bootstrap import COLLECTIONS, wire
from services.notification.settings import NotificationSettings
from shared.service import ServiceContext
from shared.store import Collection, OutgoingMessage, Record
from tests.bus.conftest import Bench, eventually
from tests.receivers import Authority, MailReceiver, WebhookReceiver

SAID = Collection(name="said")
GONE = TARGET_UNKNOWN.failure(kind="target", id="t", target_id="t")


class World:
    """A bus with a user, a task service that says things, and both receivers."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.authority = Authority(folder)
        self.hook = WebhookReceiver(self.authority)
        self.mail = MailReceiver(self.authority)
        self.seal_key_file = folder / "notification.seal"
        self.password_file = folder / "smtp-password"
        self.password_file.write_text(MailReceiver.PASSWORD)
        self.context: ServiceContext

    def settings(self, **changed: object) -> NotificationSettings:
        values = self.bench.settings("notification").model_dump() | {
            "seal_key_file": self.seal_key_file,
            "webhook_allow": ("127.0.0.0/8",),
            "ca_file": self.authority.ca_file,
            "smtp_host": "localhost",
            "smtp_port": self.mail.port,
            "smtp_from": "sms@example.org",
            "smtp_user": MailReceiver.USER,
            "smtp_password_file": self.password_file,
            "send_timeout_s": 2,
            "retry_delays_s": (0.3,) * 60,
            "queue_interval_s": 0.1,
            "watch_interval_s": 0.1,
        }
        return NotificationSettings.model_validate(values | changed)

    async def ask(self, verb: str, message: Message, reply: type[Any], *, account: str = "acme") -> Any:
        return await self.context.bus.request(req("notification", verb), message, reply, account=account)

    async def channel(self, **fields: object) -> ChannelSecret:
        values = {"idempotency_key": uuid.uuid4().hex, "name": "hook", "kind": "webhook", "url": self.hook.url()}
        return await self.ask("create", CreateChannel.model_validate(values | fields), ChannelSecret)

    async def deliveries(self, channel_id: str) -> ChannelDetails:
        return await self.ask("show", ShowChannel(channel_id=channel_id), ChannelDetails)

    async def changed(self, version: int, before: Phase, to: Phase, step: str = "", **more: Any) -> None:
        event = TaskChanged(
            task_id=more.pop("task_id", "t1"),
            server_id="s1",
            server_name="web-1",
            version=version,
            event="e",
            from_phase=before,
            to_phase=to,
            step=step,
            failure=more.pop("failure", None),
        )
        subject = evt("acme", "task", event.task_id, "changed")
        message = OutgoingMessage.of(subject, event, source="task", account="acme", **more)
        said = Record(collection="said", account="acme", id=uuid.uuid4().hex, data={})
        await self.context.store.save(said, expected_version=0, outbox=[message])

    def topics(self) -> list[tuple[str, bool]]:
        told = [got.notification for got in self.hook.received]
        return [(one.topic, one.is_over) for one in told if not one.is_test]


@pytest.fixture
def world(bench: Bench, tmp_path: Path) -> Iterator[World]:
    world = World(bench, tmp_path)
    world.hook.start()
    world.mail.start()
    yield world
    world.hook.stop()
    world.mail.stop()


async def check_an_end_and_a_failure_are_told_once(world: World, settings: NotificationSettings) -> None:
    bench = world.bench
    async with bench.running("task", collections=[SAID]) as world.context, bench.running(settings, wire, COLLECTIONS):
        hook = await world.channel()
        await world.channel(name="mail", kind="email", url="", recipients=["ann@example.org"], topics=["failed"])
        await world.changed(1, Phase.PREPARING, Phase.COPYING, "COPY")
        await world.changed(2, Phase.COPYING, Phase.PAUSED, failure=GONE)
        await world.changed(9, Phase.LAUNCHED, Phase.FINISHED, task_id="t2")
        await eventually(lambda: len(world.hook.received) == 2 and len(world.mail.received) == 1)
        await asyncio.sleep(0.5)
        details = await world.deliveries(hook.channel.id)
    assert sorted(world.topics()) == [("failed", False), ("finished", False)]
    failed = next(got for got in world.hook.received if got.notification.topic == "failed")
    assert failed.is_signed_with(hook.secret)
    told = failed.notification
    assert (told.account, told.server_name, told.task_id, told.code) == ("acme", "web-1", "t1", GONE.code)
    assert (told.cause, told.remedy) == (GONE.cause, GONE.remedy)
    assert len(world.mail.received) == 1
    assert GONE.code in world.mail.received[0].get_content()
    assert [one.state for one in details.deliveries] == ["delivered", "delivered"]
    assert {one.attempts for one in details.deliveries} == {1}


async def test_an_end_and_a_failure_are_told_once_by_webhook_and_mail(world: World) -> None:
    await check_an_end_and_a_failure_are_told_once(world, world.settings())


@pytest.mark.mongod
async def test_the_same_holds_on_a_replica_set(world: World, mongod) -> None:
    url = mongod.url.replace("/?", f"/t{uuid.uuid4().hex}?")
    await check_an_end_and_a_failure_are_told_once(world, world.settings(store_url=url))


async def test_a_receiver_that_is_away_gets_everything_when_it_is_back(world: World) -> None:
    bench = world.bench
    async with (
        bench.running("task", collections=[SAID]) as world.context,
        bench.running(world.settings(), wire, COLLECTIONS),
    ):
        hook = await world.channel()
        world.hook.stop()
        for number in range(5):
            await world.changed(9, Phase.LAUNCHED, Phase.FINISHED, task_id=f"t{number}")
        async with asyncio.timeout(10):
            while not (waiting := (await world.deliveries(hook.channel.id)).deliveries) or waiting[-1].attempts < 2:
                await asyncio.sleep(0.05)
        assert {one.state for one in waiting} == {"pending"}
        assert waiting[-1].failure is not None
        assert waiting[-1].failure.code == "SMS.NOTIFY.UNREACHABLE"
        world.hook.answers = [503, 503]
        world.hook.start()
        await eventually(lambda: len({got.notification.task_id for got in world.hook.received}) == 5)
        async with asyncio.timeout(10):
            while {one.state for one in (await world.deliveries(hook.channel.id)).deliveries} != {"delivered"}:
                await asyncio.sleep(0.05)
    ids = [got.headers["x-sms-delivery-id"] for got in world.hook.received]
    assert len(ids) == 7
    assert len(set(ids)) == 5, "what is sent again has the same id"
    assert all(got.is_signed_with(hook.secret) for got in world.hook.received)


async def test_a_service_that_is_killed_loses_nothing_that_was_to_be_told(world: World) -> None:
    bench, settings = world.bench, world.settings(claim_reserve_s=1)
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    for name, value in settings.model_dump(mode="json", exclude_none=True).items():
        if value not in ([], ""):
            text = str(value).replace("'", '"') if isinstance(value, list) else str(value)
            environment[f"SMS_NOTIFICATION_{name.upper()}"] = text

    def start(log: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "services.notification"], env=environment, stderr=log)

    async def channel() -> ChannelSecret:
        async with asyncio.timeout(20):
            while True:
                with suppress(MigrationError):
                    return await world.channel(idempotency_key="k")
                await asyncio.sleep(0.1)

    log_file = bench.folder / "notification.log"
    with log_file.open("wb") as log:
        async with bench.running("task", collections=[SAID]) as world.context:
            process = start(log)
            try:
                hook = await channel()
                world.hook.delay_s = 0.2
                for number in range(12):
                    await world.changed(9, Phase.LAUNCHED, Phase.FINISHED, task_id=f"t{number}")
                await eventually(lambda: len(world.hook.received) >= 3)
                process.kill()
                process.wait()
                world.hook.delay_s = 0
                process = start(log)
                # One was under way when the process died: it is sent again when its claim has run out.
                async with asyncio.timeout(30):
                    states: list[str] = []
                    while states != ["delivered"] * 12:
                        await asyncio.sleep(0.1)
                        with suppress(MigrationError):
                            details = await world.deliveries(hook.channel.id)
                            states = [one.state for one in details.deliveries]
                process.terminate()
                assert process.wait(15) == 0
            finally:
                process.kill()
                process.wait()
    ids = [got.headers["x-sms-delivery-id"] for got in world.hook.received]
    assert len(set(ids)) == 12
    assert len(ids) <= 14, "only what was under way may come twice"
    logged = log_file.read_text()
    assert hook.secret not in logged
    assert "/hook" not in logged
    assert MailReceiver.PASSWORD not in logged


async def test_each_channel_can_be_tested_and_says_why_it_does_not_work(world: World) -> None:
    bench = world.bench
    async with (
        bench.running("task", collections=[SAID]) as world.context,
        bench.running(world.settings(), wire, COLLECTIONS),
    ):
        hook = await world.channel(is_enabled=False)
        post = await world.channel(name="mail", kind="email", url="", recipients=["ann@example.org"])
        good = await world.ask("test", TestChannel(channel_id=hook.channel.id), ChannelTested)
        mailed = await world.ask("test", TestChannel(channel_id=post.channel.id), ChannelTested)
        world.hook.answers = [404]
        bad = await world.ask("test", TestChannel(channel_id=hook.channel.id), ChannelTested)
        world.mail.stop()
        lost = await world.ask("test", TestChannel(channel_id=post.channel.id), ChannelTested)
        details = await world.deliveries(hook.channel.id)
        with pytest.raises(MigrationError) as foreign:
            await world.ask("test", TestChannel(channel_id=hook.channel.id), ChannelTested, account="other")
    assert (good.is_delivered, mailed.is_delivered) == (True, True)
    assert world.hook.received[0].notification.is_test
    assert bad.failure is not None
    assert "404" in bad.failure.cause
    assert lost.failure is not None
    assert lost.failure.code == "SMS.NOTIFY.UNREACHABLE"
    assert [one.state for one in details.deliveries] == ["failed", "delivered"]
    assert foreign.value.code == "SMS.NOTIFY.CHANNEL_NOT_FOUND"


async def test_what_never_arrives_is_given_up_and_told_to_the_audit(world: World) -> None:
    bench = world.bench
    settings = world.settings(retry_delays_s=(0.1, 0.1), kept_deliveries=3)
    async with (
        bench.running("task", collections=[SAID]) as world.context,
        bench.running(settings, wire, COLLECTIONS),
    ):
        hook = await world.channel()
        subject = evt("acme", "notification", hook.channel.id, "given-up")
        heard = await world.context.bus.jetstream.subscribe(subject, ordered_consumer=True)
        world.hook.answers = [500] * 100
        for number in range(5):
            await world.changed(9, Phase.LAUNCHED, Phase.FINISHED, task_id=f"t{number}")
        given_up = [DeliveryGivenUp.model_validate_json((await heard.next_msg(timeout=10)).data) for _ in range(5)]
        async with asyncio.timeout(10):
            while len((kept := await world.deliveries(hook.channel.id)).deliveries) != 3:
                await asyncio.sleep(0.05)
    assert {event.attempts for event in given_up} == {3}
    assert {event.failure.code for event in given_up} == {"SMS.NOTIFY.NOT_ACCEPTED"}
    assert {one.state for one in kept.deliveries} == {"failed"}
    assert len(world.hook.received) == 15


async def test_a_stall_and_an_old_replica_are_told_once_and_once_when_they_are_over(world: World) -> None:
    bench = world.bench
    async with (
        bench.running("task", collections=[SAID]) as world.context,
        bench.running(world.settings(), wire, COLLECTIONS),
    ):
        agent = await nats.connect(bench.server.url)

        async def report(done: int, *, agent_id: str = "s1") -> None:
            progress = TransferProgress(task_id="t1", stage="copying", bytes_done=done)
            message = AgentProgress(task_id="t1", epoch=1, verb="copy", progress=progress)
            envelope = Envelope.of(message, source="/agents/s1", account="acme", id=f"{agent_id}:{uuid.uuid4()}")
            subject = agent_status("acme", agent_id, "progress")
            await agent.publish(subject, message.model_dump_json().encode(), headers=envelope.headers())

        async def moving_until(is_true: Callable[[], bool]) -> None:
            done = 0
            async with asyncio.timeout(10):
                while not is_true():
                    done += 1
                    await report(done)
                    await asyncio.sleep(0.1)

        await world.channel(stalled_after_s=1, lag_above_s=3)
        began = datetime.now(UTC)
        await world.changed(1, Phase.PREPARING, Phase.COPYING, "COPY")
        await moving_until(lambda: datetime.now(UTC) - began > timedelta(seconds=2))
        assert world.topics() == [], "what moves does not stall"
        await eventually(lambda: world.topics() == [("stalled", False)])
        await report(10**9, agent_id="s2")
        await asyncio.sleep(0.5)
        assert world.topics() == [("stalled", False)], "another agent's word counts for nothing"
        await moving_until(lambda: world.topics() == [("stalled", False), ("stalled", True)])
        await world.changed(2, Phase.COPYING, Phase.LAUNCHING, "DETACH")
        await world.changed(3, Phase.LAUNCHING, Phase.LAUNCHED)
        await eventually(lambda: world.topics()[2:] == [("lag", False)])
        await world.changed(4, Phase.SYNCING, Phase.SYNCING, "SYNC")
        await world.changed(5, Phase.SYNCING, Phase.LAUNCHING, "DETACH")
        await eventually(lambda: world.topics()[2:] == [("lag", False), ("lag", True)])
        await agent.close()
    lag = [got.notification for got in world.hook.received if got.notification.topic == "lag"]
    assert (lag[0].server_name, lag[0].task_id, lag[0].phase) == ("web-1", "t1", "LAUNCHED")


async def test_channels_are_created_changed_and_deleted_once_however_often_that_is_asked(world: World) -> None:
    bench = world.bench
    async with (
        bench.running("task", collections=[SAID]) as world.context,
        bench.running(world.settings(channel_quota=2), wire, COLLECTIONS),
    ):
        first = await world.channel(idempotency_key="k1")
        again = await world.channel(idempotency_key="k1")
        await world.channel(idempotency_key="k2")
        with pytest.raises(MigrationError) as full:
            await world.channel()
        rotate = UpdateChannel(
            idempotency_key="u1", channel_id=first.channel.id, name="new", topics=("failed",), rotate_secret=True
        )
        rotated = await world.ask("update", rotate, ChannelSecret)
        repeated = await world.ask("update", rotate, ChannelSecret)
        await world.ask("test", TestChannel(channel_id=first.channel.id), ChannelTested)
        listed = await world.ask("list", ListChannels(), ChannelList)
        others = await world.ask("list", ListChannels(), ChannelList, account="other")
        for verb, message, reply in (
            ("show", ShowChannel(channel_id=first.channel.id), ChannelDetails),
            ("update", rotate, ChannelSecret),
            ("delete", DeleteChannel(channel_id=first.channel.id), Accepted),
        ):
            with pytest.raises(MigrationError) as foreign:
                await world.ask(verb, message, reply, account="other")
            assert foreign.value.code == "SMS.NOTIFY.CHANNEL_NOT_FOUND"
        await world.ask("delete", DeleteChannel(channel_id=first.channel.id), Accepted)
        remaining = await world.ask("list", ListChannels(), ChannelList)
        stored = (bench.folder / "notification.sqlite").read_bytes()
        events = await world.context.bus.jetstream.subscribe(
            f"sms.v1.evt.acme.notification.{first.channel.id}.*", ordered_consumer=True
        )
        said = [(await events.next_msg(timeout=5)) for _ in range(3)]
    assert first.secret
    assert (again.channel.id, again.secret) == (first.channel.id, "")
    assert full.value.code == "SMS.NOTIFY.TOO_MANY_CHANNELS"
    assert "has 2" in full.value.failure.cause
    assert rotated.secret not in ("", first.secret)
    assert repeated.secret == ""
    assert repeated.channel.name == "new"
    assert world.hook.received[0].is_signed_with(rotated.secret)
    assert (listed.count, remaining.count, others.count) == (2, 1, 0)
    assert [one.subject.rsplit(".", 1)[1] for one in said] == ["created", "updated", "deleted"]
    for secret in (first.secret, rotated.secret):
        assert secret.encode() not in stored
        assert not [one for one in said if secret.encode() in one.data]
    assert not [one for one in said if b"/hook" in one.data]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "https://10.0.0.1/x"}, "SMS.NOTIFY.ADDRESS_REFUSED"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "SMS.NOTIFY.ADDRESS_REFUSED"),
        ({"url": "http://hooks.example.org/x"}, "SMS.NOTIFY.ADDRESS_REFUSED"),
        ({"url": ""}, "SMS.NOTIFY.CHANNEL_INVALID"),
        ({"recipients": ["a@b.example"]}, "SMS.NOTIFY.CHANNEL_INVALID"),
        ({"kind": "email", "url": ""}, "SMS.NOTIFY.CHANNEL_INVALID"),
        (
            {"kind": "email", "url": "", "recipients": ["a@b.example\r\nBcc: x@y.example"]},
            "SMS.NOTIFY.CHANNEL_INVALID",
        ),
        ({"kind": "email", "url": "", "recipients": ["a@b.example, x@y.example"]}, "SMS.NOTIFY.CHANNEL_INVALID"),
        ({"name": "a\nb"}, "SMS.NOTIFY.CHANNEL_INVALID"),
    ],
)
async def test_a_channel_that_could_do_harm_is_not_created(world: World, fields: dict[str, object], code: str) -> None:
    bench = world.bench
    async with (
        bench.running("task", collections=[SAID]) as world.context,
        bench.running(world.settings(), wire, COLLECTIONS),
    ):
        with pytest.raises(MigrationError) as refused:
            await world.channel(**fields)
    assert refused.value.code == code
