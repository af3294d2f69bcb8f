"""Messages of streams: at least once delivered, once in effect, never silently lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from faststream import AckPolicy

from contracts import subjects
from contracts.base import Message, MessageKind
from contracts.envelope import Envelope
from shared.service import ServiceContext
from shared.store import Collection, ConflictError, OutgoingMessage, Record, StoreUnavailableError, open_store

COUNTERS = Collection(name="counters")


class Counted(Message):
    TYPE: ClassVar[str] = "test.counted"
    KIND: ClassVar[MessageKind] = "event"
    number: int


class Recount(Message):
    TYPE: ClassVar[str] = "test.recount"
    KIND: ClassVar[MessageKind] = "command"


FILTER = subjects.evt_filter("server", "counted")
SUBJECT = subjects.evt("acme", "server", "s1", "counted")


def counted(number: int, **attributes: str) -> OutgoingMessage:
    return OutgoingMessage.of(SUBJECT, Counted(number=number), source="registry", account="acme", **attributes)


class Adder:
    """Adds up numbers in its store, once per message."""

    def __init__(self) -> None:
        self.context: ServiceContext | None = None
        self.calls = 0
        self.dead_before_ack = 0

    async def wire(self, context: ServiceContext) -> None:
        self.context = context
        context.bus.on_event(FILTER, Counted, self.add)

    async def add(self, message: Counted, envelope: Envelope) -> None:
        assert self.context is not None
        self.calls += 1
        record = await self.context.store.load("counters", envelope.account, "sum")
        data = dict(record.data) if record else {"sum": 0, "seen": []}
        data = {"sum": data["sum"] + message.number, "seen": [*data["seen"], message.number]}
        await self.context.store.save(
            Record(collection="counters", account=envelope.account, id="sum", data=data),
            expected_version=record.version if record else 0,
            applied=envelope.id,
        )
        if self.dead_before_ack > 0:
            self.dead_before_ack -= 1
            raise RuntimeError("between the write and the acknowledgement")

    async def seen(self) -> list[int]:
        assert self.context is not None
        record = await self.context.store.load("counters", "acme", "sum")
        return list(record.data["seen"]) if record else []


async def say(context: ServiceContext, *messages: OutgoingMessage) -> None:
    record = await context.store.load("counters", "acme", "said")
    version = record.version if record else 0
    said = Record(collection="counters", account="acme", id="said", data={})
    await context.store.save(said, expected_version=version, outbox=messages)


async def polled(look: Callable[[], Awaitable[bool]], *, timeout_s: float = 15) -> None:
    async with asyncio.timeout(timeout_s):
        while not await look():
            await asyncio.sleep(0.05)


async def all_seen(adder: Adder, wanted: list[int], *, timeout_s: float = 20) -> None:
    async def is_complete() -> bool:
        return sorted(await adder.seen()) == wanted

    await polled(is_complete, timeout_s=timeout_s)


async def dead_letters(context: ServiceContext) -> list[tuple[dict[str, str], bytes]]:
    stream = await context.bus.jetstream.stream_info("DLQ")
    letters = []
    for number in range(1, stream.state.messages + 1):
        letter = await context.bus.jetstream.get_msg("DLQ", number)
        letters.append((dict(letter.headers or {}), letter.data or b""))
    return letters


async def some_dead_letters(context: ServiceContext, count: int) -> list[tuple[dict[str, str], bytes]]:
    async def are_there() -> bool:
        return len(await dead_letters(context)) >= count

    await polled(are_there)
    return await dead_letters(context)


async def test_a_redelivered_message_has_the_effect_of_one(bench) -> None:
    adder = Adder()
    adder.dead_before_ack = 2
    async with bench.running("registry", collections=[COUNTERS]) as source:
        async with bench.running("task", adder.wire, [COUNTERS]):
            await say(source, *(counted(n) for n in range(5)))
            await all_seen(adder, list(range(5)))
            await asyncio.sleep(0.5)
            assert await adder.seen() == list(range(5))
            assert adder.calls == 7
        assert await dead_letters(source) == []


async def test_no_message_is_lost_when_the_bus_is_killed_and_started_again(bench) -> None:
    adder = Adder()
    async with bench.running("registry", collections=[COUNTERS]) as source:
        async with bench.running(bench.settings("task", ack_wait_s=2), adder.wire, [COUNTERS]):
            for round_number in range(3):
                for n in range(20):
                    await say(source, counted(round_number * 20 + n))
                    if n == 10:
                        bench.server.kill()
                bench.server.start()
            await all_seen(adder, list(range(60)), timeout_s=40)
            await asyncio.sleep(1)
            assert sorted(await adder.seen()) == list(range(60))
        assert await source.store.pending(10) == []
        assert await dead_letters(source) == []


async def test_a_bus_that_lost_its_store_gets_streams_and_consumers_again(bench, tmp_path) -> None:
    adder = Adder()
    registry = bench.running("registry", collections=[COUNTERS])
    async with registry as source, bench.running("task", adder.wire, [COUNTERS]):
        await say(source, counted(1))
        await all_seen(adder, [1])
        bench.server.kill()
        (bench.server.folder / "jetstream").rename(tmp_path / "lost")
        await say(source, counted(2))
        bench.server.start()
        await all_seen(adder, [1, 2])


async def test_what_was_saved_and_not_published_leaves_after_a_restart(bench) -> None:
    """The process dies between save and publish: only the store survives."""
    adder = Adder()
    bench.server.kill()
    settings = bench.settings("registry")
    store = await open_store(settings.store_url, "registry", [COUNTERS])
    said = Record(collection="counters", account="acme", id="said", data={})
    await store.save(said, expected_version=0, outbox=[counted(n, message_id=f"said-{n}") for n in range(3)])
    await store.close()
    bench.server.start()
    async with bench.running("task", adder.wire, [COUNTERS]):
        async with bench.running(settings, collections=[COUNTERS]):
            await all_seen(adder, [0, 1, 2])
        assert await adder.seen() == [0, 1, 2]


async def test_a_message_published_twice_is_kept_once(bench) -> None:
    """The process dies between the bus's acknowledgement and the removal of the row."""
    async with bench.running("registry", collections=[COUNTERS]) as source:
        message = counted(1)
        for _ in range(2):
            await say(source, message)

        async def is_drained() -> bool:
            return await source.store.pending(10) == []

        await polled(is_drained)
        assert (await source.bus.jetstream.stream_info("EVT")).state.messages == 1


async def test_a_poison_goes_to_the_dead_letters_and_holds_up_nothing(bench) -> None:
    calls: list[int] = []

    async def handle(message: Counted, envelope: Envelope) -> None:
        calls.append(message.number)
        if message.number == 0:
            raise ValueError("cannot digest")

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(FILTER, Counted, handle)

    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running("task", wire):
        poison = counted(0)
        await say(source, poison, counted(1), counted(2))
        [(headers, payload)] = await some_dead_letters(source, 1)
        assert headers["sms-dead-code"] == "SMS.EVENT.POISON"
        assert "cannot digest" in headers["sms-dead-cause"]
        assert headers["sms-dead-subject"] == SUBJECT
        assert headers["ce-id"] == poison.message_id
        assert payload == b'{"number":0}'
        assert calls.count(0) == 4
        assert (calls.count(1), calls.count(2)) == (1, 1)


async def test_an_unreadable_message_goes_to_the_dead_letters_at_once(bench) -> None:
    calls: list[int] = []

    async def handle(message: Counted, envelope: Envelope) -> None:
        calls.append(message.number)

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(FILTER, Counted, handle)

    hostile = {
        "not json": (b"\x00{", counted(0).headers),
        "no envelope": (b'{"number":1}', {"ce-id": "x"}),
        "other account": (b'{"number":1}', dict(counted(1).headers) | {"ce-smsaccount": "other"}),
        "not an object": (b"[]", counted(2).headers),
    }
    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running("task", wire):
        for payload, headers in hostile.values():
            await source.bus.jetstream.publish(SUBJECT, payload, headers=dict(headers))
        letters = await some_dead_letters(source, len(hostile))
        assert calls == []
        assert [payload for _, payload in letters] == [payload for payload, _ in hostile.values()]


async def test_an_event_of_an_unknown_type_is_passed_over_and_a_command_is_not(bench) -> None:
    handled: list[str] = []

    async def on_event(message: Counted, envelope: Envelope) -> None:
        handled.append(envelope.subject)

    async def on_command(message: Recount, envelope: Envelope) -> None:
        handled.append(envelope.subject)

    command = subjects.cmd("task", "recount")

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(FILTER, Counted, on_event)
        context.bus.on_command(command, Recount, on_command)

    def later(subject: str) -> OutgoingMessage:
        return OutgoingMessage.of(subject, Recount(), source="registry", account="acme")

    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running("task", wire):
        wrong = OutgoingMessage.of(command, Counted(number=1), source="registry", account="acme")
        await say(source, later(SUBJECT), counted(1), later(command), wrong)
        [(headers, _)] = await some_dead_letters(source, 1)
        assert headers["sms-dead-subject"] == command
        assert sorted(handled) == sorted([SUBJECT, command])


async def test_a_store_that_is_away_does_not_make_a_message_a_poison(bench) -> None:
    calls = 0
    done = asyncio.Event()

    async def handle(message: Counted, envelope: Envelope) -> None:
        nonlocal calls
        calls += 1
        if calls < 5:
            raise StoreUnavailableError("task", "step-down")
        if calls < 8:
            raise ConflictError("tasks", "t1", 1)
        done.set()

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(FILTER, Counted, handle)

    settings = bench.settings("task", redelivery_delays_s=(30,), ack_wait_s=1, in_progress_interval_s=0.3)
    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running(settings, wire):
        await say(source, counted(1))
        await asyncio.wait_for(done.wait(), 15)
        await asyncio.sleep(0.2)
        assert calls == 8
        assert await dead_letters(source) == []


async def test_a_long_handler_is_not_given_the_message_again(bench) -> None:
    calls = 0

    async def handle(message: Counted, envelope: Envelope) -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(1.7)

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(FILTER, Counted, handle, workers=4)

    settings = bench.settings("task", ack_wait_s=1, in_progress_interval_s=0.3)
    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running(settings, wire):
        await say(source, counted(1))
        await asyncio.sleep(2.5)
        assert calls == 1


async def test_every_subscription_has_an_explicit_acknowledgement_policy(bench) -> None:
    async def nothing(message: Message, envelope: Envelope) -> None: ...

    async def nothing_raw(messages: object) -> None: ...

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(FILTER, Counted, nothing)
        context.bus.on_event(subjects.agent_status_filter("result"), Counted, nothing, workers=4)
        context.bus.on_command("sms.v1.cmd.task.*", Recount, nothing)
        context.bus.on_batches("sms.v1.evt.>", nothing_raw)

    async with bench.running("task", wire) as context:
        assert len(context.bus.subscriptions) == 3
        assert {each.ack_policy for each in context.bus.subscriptions} == {AckPolicy.MANUAL}
        # The framework's own list, so that nothing was subscribed past our layer.
        subscribers = context.bus._broker.subscribers
        assert len(subscribers) == 3
        assert all(subscriber.ack_policy is AckPolicy.MANUAL for subscriber in subscribers)
        for subscription in context.bus.subscriptions:
            if subscription.durable:
                stream = {"sms.v1.cmd": "CMD", "sms.v1.evt": "EVT"}.get(subscription.subject[:10], "AGENT")
                found = await context.bus.jetstream.consumer_info(stream, subscription.durable)
                assert found.config.ack_policy == "explicit"
                assert found.config.max_deliver == -1


async def test_a_service_can_be_stopped_at_any_moment_of_its_work(bench, random_source) -> None:
    """A cancellation that meets a saved row or an acknowledgement must not be swallowed."""
    adder = Adder()
    for number in range(20):
        async with asyncio.timeout(10):
            registry = bench.running("registry", collections=[COUNTERS])
            async with registry as source, bench.running("task", adder.wire, [COUNTERS]):
                await say(source, counted(number), counted(number))
                await asyncio.sleep(random_source.uniform(0, 0.02))
                source.store._wake([counted(number)])
