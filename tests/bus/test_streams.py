"""The streams and consumers of a bus are as wanted, or the service does not start."""

from __future__ import annotations

import asyncio

import pytest
from nats.js.api import DiscardPolicy
from nats.js.errors import APIError

from contracts import subjects
from contracts.errors import MigrationError
from contracts.messages.reply import HealthRequest
from shared.service import ServiceContext
from shared.streams import ensure_streams, stream_of


async def test_services_that_start_together_agree_on_the_streams(bench) -> None:
    async with bench.running("task") as context:
        names = {stream.config.name for stream in await context.bus.jetstream.streams_info()}
        assert names == {"CMD", "EVT", "AGENT", "AGENTLOG", "AUDIT", "DLQ"}
        await asyncio.gather(*(ensure_streams(context.bus.jetstream, max_bytes=64 << 20) for _ in range(5)))
        command = (await context.bus.jetstream.stream_info("CMD")).config
        assert command.discard == DiscardPolicy.NEW
        assert command.duplicate_window == 600
        with pytest.raises(APIError):
            await context.bus.jetstream.purge_stream("AUDIT")


async def test_a_stream_that_differs_stops_the_service(bench) -> None:
    async with bench.running("task") as context:
        changed = (await context.bus.jetstream.stream_info("EVT")).config
        changed.max_age = 60
        changed.duplicate_window = 60
        await context.bus.jetstream.update_stream(changed)
    with pytest.raises(MigrationError) as refused:
        async with bench.running("registry"):
            pass
    assert refused.value.code == "SMS.BUS.STREAM_DIFFERS"
    assert refused.value.failure.parameters["stream"] == "EVT"


async def test_a_consumer_that_differs_stops_the_service(bench) -> None:
    async def nothing(message: HealthRequest, envelope: object) -> None: ...

    async def wire(context: ServiceContext) -> None:
        context.bus.on_event(subjects.evt_filter("task", "x"), HealthRequest, nothing)

    async with bench.running(bench.settings("task", max_ack_pending=7), wire):
        pass
    with pytest.raises(MigrationError) as refused:
        async with bench.running(bench.settings("task", max_ack_pending=8), wire):
            pass
    assert refused.value.code == "SMS.BUS.CONSUMER_DIFFERS"


def test_every_kept_subject_has_one_stream() -> None:
    assert stream_of(subjects.cmd("task", "x")) == "CMD"
    assert stream_of(subjects.evt_filter("task", "x")) == "EVT"
    assert stream_of("sms.v1.evt.>") == "EVT"
    assert stream_of(subjects.agent_status("a", "b", "result")) == "AGENT"
    assert stream_of(subjects.agent_status("a", "b", "log")) == "AGENTLOG"
    assert stream_of(subjects.audit("a", "denied")) == "AUDIT"
    assert stream_of(subjects.dlq("task")) == "DLQ"
    for unkept in (subjects.agent_status("a", "b", "heartbeat"), subjects.req("task", "list"), "other"):
        with pytest.raises(ValueError, match="not kept"):
            stream_of(unkept)
