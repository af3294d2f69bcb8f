"""Notifications on a real bus to real receivers: what is told, once, through kills and restarts of either side."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import pytest

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_UNKNOWN
from contracts.messages.agent import AgentProgress
from contracts.messages.notification import (
    ChannelSecret,
    ChannelTested,
    DeliveryGivenUp,
    TestChannel,
)
from contracts.messages.task import Phase
from contracts.subjects import agent_status, evt
from contracts.transfer import TransferProgress
from services.notification.bootstrap import COLLECTIONS, wire
from services.notification.settings import NotificationSettings
from tests.bus.conftest import eventually
from tests.bus.notification.world import SAID, World
from tests.receivers import MailReceiver

GONE = TARGET_UNKNOWN.failure(kind="target", id="t", target_id="t")


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
    assert (lag[0].server_name, lag[0].task_id) == ("web-1", "t1")
    assert lag[0].phase in {"LAUNCHING", "LAUNCHED"}, "on a busy machine the replica is too old before"
