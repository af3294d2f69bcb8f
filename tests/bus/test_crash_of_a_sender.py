"""A process that saves and says is killed at any moment: what was saved is said, what was said was saved."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

from shared.store import Collection, open_store
from tests.bus.conftest import eventually

KILLS = 6

COUNTING = """
import asyncio
from typing import ClassVar
from contracts.base import Message, MessageKind
from shared.service import ServiceContext, run_service
from shared.settings import ServiceSettings
from shared.store import Collection, OutgoingMessage, Record

class Counted(Message):
    TYPE: ClassVar[str] = "test.counted"
    KIND: ClassVar[MessageKind] = "event"
    number: int

COUNTERS = Collection(name="counters")

async def wire(context: ServiceContext) -> None:
    async def count() -> None:
        while True:
            record = await context.store.load("counters", "acme", "c")
            number = record.version + 1 if record else 1
            says = OutgoingMessage.of("sms.v1.evt.acme.task.t1.counted", Counted(number=number),
                                      source="counting", account="acme")
            await context.store.save(Record(collection="counters", account="acme", id="c", data={{}}),
                                     expected_version=number - 1, outbox=[says])
            await asyncio.sleep(0.001 if {is_counting} else 3600)
    context.run_in_background("count", count)

run_service(ServiceSettings(service_name="counting", bus_url={url!r}, store_url={store!r},
    stream_max_bytes=64 << 20), wire, collections=(COUNTERS,))
"""


async def test_saved_and_said_are_the_same_after_any_kill(bench, random_source) -> None:
    store_url = f"sqlite:///{bench.folder}/counting.sqlite"
    log = bench.folder / "counting.log"
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(*, is_counting: bool) -> subprocess.Popen[bytes]:
        code = COUNTING.format(url=bench.server.url, store=store_url, is_counting=is_counting)
        with log.open("wb") as output:
            return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=output)

    for _ in range(KILLS):
        process = start(is_counting=True)
        try:
            await eventually(lambda: b"service started" in log.read_bytes())
            await asyncio.sleep(random_source.uniform(0, 0.2))
        finally:
            process.kill()
            process.wait()

    process = start(is_counting=False)
    try:
        await eventually(lambda: b"service started" in log.read_bytes())
        async with bench.running("reader") as reader:
            store = await open_store(store_url, "reader", [Collection(name="counters")])
            try:
                async with asyncio.timeout(15):
                    while await store.pending(1):
                        await asyncio.sleep(0.05)
                saved = await store.load("counters", "acme", "c")
            finally:
                await store.close()
            state = (await reader.bus.jetstream.stream_info("EVT")).state
            said = []
            for sequence in range(1, state.messages + 1):
                message = await reader.bus.jetstream.get_msg("EVT", sequence)
                said.append(json.loads(message.data or b"")["number"])
    finally:
        process.kill()
        process.wait()
    assert saved is not None
    assert said == list(range(1, saved.version + 1))
    assert len(said) > KILLS
