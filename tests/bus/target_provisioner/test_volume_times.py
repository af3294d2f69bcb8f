"""When the temporary volume came and went, by the provisioner with a real host agent, and what metering makes of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from contracts.errors import MigrationError
from contracts.messages.metering import ShowTaskCost, TaskCost, TaskCostDetails
from contracts.messages.target_provisioner import (
    BootHelper,
    DiskRequest,
    HelperStarted,
    ProvisionTarget,
    ReleaseTarget,
    TargetReleased,
    VolumeLost,
)
from contracts.subjects import req
from services.metering.bootstrap import COLLECTIONS, wire
from services.metering.settings import MeteringSettings
from shared.bus import ServiceBus
from tests.bus.conftest import Bench, eventually

pytestmark = pytest.mark.root
MIB = 1 << 20


def named(request_id: str) -> dict[str, str]:
    return {"request_id": f"t1:{request_id}", "task_id": "t1", "target_id": "t1"}


def boot(request_id: str) -> BootHelper:
    return BootHelper(**named(request_id), volume_size_bytes=64 * MIB)


async def cost_of_volumes(bus: ServiceBus, quantity: Decimal) -> TaskCost:
    async with asyncio.timeout(10):
        while True:
            with suppress(MigrationError):
                found = await bus.request(
                    req("metering", "show"), ShowTaskCost(task_id="t1"), TaskCostDetails, account="acme"
                )
                if found.cost.items[0].quantity == quantity:
                    return found.cost
            await asyncio.sleep(0.05)


async def test_a_volume_is_billed_from_its_making_to_its_release_over_a_restart_and_a_loss(
    desk, host_agent, bench: Bench
) -> None:
    settings = MeteringSettings.model_validate(bench.settings("metering").model_dump())
    before = datetime.now(UTC)
    async with bench.running(settings, wire, COLLECTIONS) as metering, desk.provisioner():
        await desk.ask(ProvisionTarget(**named("provision:1"), disks=(DiskRequest(name="vda", size_bytes=4 * MIB),)))
        first = await desk.ask(boot("helper:1"))
        restarted = await desk.ask(boot("helper:2"))
        assert isinstance(first, HelperStarted)
        assert isinstance(restarted, HelperStarted)
        assert first.volume_attached_at is not None
        assert before < first.volume_attached_at < datetime.now(UTC)
        assert first.volume_size_bytes == 64 * MIB
        assert (restarted.volume_id, restarted.volume_attached_at) == (first.volume_id, first.volume_attached_at)

        [volume] = [path for path in host_agent.target("t1").rglob("*") if first.volume_id in path.name]
        volume.unlink()
        await eventually(lambda: any(isinstance(event, VolumeLost) for event in desk.events))
        lost = next(event for event in desk.events if isinstance(event, VolumeLost))
        assert lost.lost_at is not None
        second = await desk.ask(boot("helper:3"))
        assert isinstance(second, HelperStarted)
        assert second.volume_attached_at is not None
        assert second.volume_attached_at >= lost.lost_at

        released = await desk.ask(ReleaseTarget(**named("release:1")))
        assert isinstance(released, TargetReleased)
        assert released.released_at is not None
        # Asked again, the same answer with the same time.
        await desk.send(ReleaseTarget(**named("release:1")))
        assert await desk.answer("t1:release:1", count=2) == released
        spans = ((first.volume_attached_at, lost.lost_at), (second.volume_attached_at, released.released_at))
        exact = sum(
            (
                Decimal(64 * MIB) / 10**9 * round((end - begin).total_seconds() * 10**6) / (3600 * 10**6)
                for begin, end in spans
            ),
            Decimal(0),
        )
        cost = await cost_of_volumes(metering.bus, round(exact, 6).normalize())
    assert cost.items[0].unit == "GB-hour"
    assert cost.items[0].quantity > 0
