"""Messages of a stream in batches: in order, none lost, and a bad one spoils no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from contracts import subjects
from contracts.envelope import Envelope
from shared.bus.reading import UnreadableMessageError
from shared.service import ServiceContext
from tests.bus.conftest import eventually
from tests.bus.test_durable import COUNTERS, counted, say, some_dead_letters

Batch = Sequence[tuple[bytes, Envelope]]


class Keeper:
    """Keeps numbers; a batch with a bad one among others is refused as a whole."""

    def __init__(self, *, bad: int = -1) -> None:
        self.bad = bad
        self.batches: list[list[int]] = []

    @property
    def kept(self) -> list[int]:
        return [number for batch in self.batches for number in batch]

    async def wire(self, context: ServiceContext) -> None:
        context.bus.on_batches("sms.v1.evt.>", self.keep)

    async def keep(self, batch: Batch) -> None:
        numbers = [json.loads(payload)["number"] for payload, _ in batch]
        assert all(envelope.subject == subjects.evt("acme", "server", "s1", "counted") for _, envelope in batch)
        if self.bad in numbers:
            raise UnreadableMessageError("it is bad")
        self.batches.append(numbers)


async def test_many_messages_come_in_order_and_in_few_batches(bench) -> None:
    keeper = Keeper()
    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running("task", keeper.wire):
        await say(source, *(counted(number) for number in range(100)))
        await eventually(lambda: len(keeper.kept) >= 100)
        assert keeper.kept == list(range(100))
        assert len(keeper.batches) < 30


async def test_a_bad_message_is_buried_and_the_others_of_its_batch_are_kept_once(bench) -> None:
    keeper = Keeper(bad=3)
    async with bench.running("registry", collections=[COUNTERS]) as source:
        await say(source, *(counted(number) for number in range(8)))
        await asyncio.sleep(0.3)
        async with bench.running("task", keeper.wire) as context:
            letters = await some_dead_letters(context, 1)
            await eventually(lambda: len(keeper.kept) >= 7)
    assert [json.loads(data)["number"] for _, data in letters] == [3]
    assert keeper.kept == [0, 1, 2, 4, 5, 6, 7]


async def test_what_a_stopping_service_holds_is_given_back_at_once(bench, random_source) -> None:
    """The bus would deliver it again after 30 s only."""
    keeper = Keeper()
    async with bench.running("registry", collections=[COUNTERS]) as source:
        for number in range(12):
            async with bench.running("task", keeper.wire):
                await say(source, counted(number))
                await asyncio.sleep(random_source.uniform(0, 0.2))
        async with bench.running("task", keeper.wire):
            await eventually(lambda: set(keeper.kept) == set(range(12)), timeout_s=10)


async def test_a_bus_that_was_away_delivers_what_was_said_meanwhile(bench) -> None:
    keeper = Keeper()
    async with bench.running("registry", collections=[COUNTERS]) as source, bench.running("task", keeper.wire):
        await say(source, counted(1))
        await eventually(lambda: keeper.kept == [1])
        bench.server.kill()
        await say(source, counted(2))
        bench.server.start()
        await eventually(lambda: keeper.kept == [1, 2], timeout_s=25)
