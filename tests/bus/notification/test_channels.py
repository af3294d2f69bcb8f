"""Channels on a real bus: made, changed and deleted once, never harmful, secrets never seen."""

from __future__ import annotations

import pytest

from contracts.errors import MigrationError
from contracts.messages.notification import (
    ChannelDetails,
    ChannelList,
    ChannelSecret,
    ChannelTested,
    DeleteChannel,
    ListChannels,
    ShowChannel,
    TestChannel,
    UpdateChannel,
)
from contracts.messages.reply import Accepted
from services.notification.bootstrap import COLLECTIONS, wire
from tests.bus.notification.world import SAID, World


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
        stored = b"".join(path.read_bytes() for path in bench.folder.glob("notification.sqlite*"))
        events = await world.context.bus.jetstream.subscribe(
            f"sms.v1.evt.acme.notification.{first.channel.id}.*", ordered_consumer=True
        )
        said = [(await events.next_msg(timeout=5)) for _ in range(3)]
    assert first.secret
    assert first.channel.id.encode() in stored, "the record itself is there"
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
