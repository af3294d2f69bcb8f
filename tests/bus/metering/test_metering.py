"""Metering on a real bus, fed by a real task service whose world says everything twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.base import Message
from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from contracts.messages.metering import (
    Balance,
    CostEstimate,
    CostList,
    EstimateCost,
    ListCosts,
    PriceList,
    Prices,
    SetBalance,
    SetPrices,
    ShowBalance,
    ShowPrices,
    ShowTaskCost,
    TaskCost,
    TaskCostChanged,
    TaskCostDetails,
)
from contracts.messages.registry import ServerRegistered, ServerUpdated
from contracts.messages.reply import Accepted
from contracts.messages.target_provisioner import HelperStarted, TargetReleased
from contracts.messages.task import ActOnTask, CreateTask, Phase, ShowTask, TaskAction, TaskCreated, TaskDetails
from contracts.subjects import evt, req
from services.metering.bootstrap import COLLECTIONS, wire
from services.metering.settings import MeteringSettings
from services.task.bootstrap import COLLECTIONS as TASK_COLLECTIONS
from services.task.bootstrap import wire as wire_task
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from shared.service import ServiceContext
from shared.store import Collection, OutgoingMessage, Record
from tests.bus.conftest import Bench
from tests.bus.task.world import World, inventory

SAID = Collection(name="said")
OWN = PriceList(
    currency="EUR", volume_gb_hour=Decimal(1), traffic_gb=Decimal("0.5"), traffic_mode="pay_per_use", snapshot=0
)


class User:
    """Asks over the bus as one account."""

    def __init__(self, bus: ServiceBus, account: str = "default") -> None:
        self._bus = bus
        self._account = account

    async def ask(self, verb: str, message: Message, reply: type[Any], *, service: str = "metering") -> Any:
        return await self._bus.request(req(service, verb), message, reply, account=self._account)

    async def task(self, action: TaskAction, task_id: str) -> None:
        act = ActOnTask(idempotency_key=uuid.uuid4().hex, task_id=task_id, action=action, has_consent=True)
        await self.ask("act", act, Accepted, service="task")

    async def phase(self, task_id: str, *phases: Phase) -> None:
        async with asyncio.timeout(20):
            while True:
                reply = await self.ask("show", ShowTask(task_id=task_id), TaskDetails, service="task")
                if reply.task.phase in phases:
                    return
                await asyncio.sleep(0.05)

    async def cost(self, task_id: str, is_reached: Callable[[TaskCost], bool]) -> TaskCost:
        """The cost, once metering has heard of all that makes it so."""
        async with asyncio.timeout(15):
            while True:
                with suppress(MigrationError):  # until the first event has come
                    details = await self.ask("show", ShowTaskCost(task_id=task_id), TaskCostDetails)
                    if is_reached(details.cost):
                        return details.cost
                await asyncio.sleep(0.05)


def in_phase(phase: Phase) -> Callable[[TaskCost], bool]:
    return lambda cost: cost.phase == phase


def with_points(number: int) -> Callable[[TaskCost], bool]:
    return lambda cost: cost.items[1].quantity == number


def is_final(cost: TaskCost) -> bool:
    return cost.is_final


def has_400_gb_hours(cost: TaskCost) -> bool:
    return cost.items[0].quantity == 400 and cost.project_id == "p1"


def metering_settings(bench: Bench, **changed: object) -> MeteringSettings:
    return MeteringSettings.model_validate(bench.settings("metering", **changed).model_dump())


@asynccontextmanager
async def a_task_service(bench: Bench) -> AsyncIterator[ServiceContext]:
    settings = TaskSettings(
        bus_url=bench.server.url,
        store_url=f"sqlite:///{bench.folder / 'task'}.sqlite",
        redelivery_delays_s=(0.1, 0.1, 0.1),
        stop_timeout_s=2,
        stream_max_bytes=64 << 20,
        command_timeout_s=1,
        command_pause_s=0.1,
        skip_after_s=1,
    )
    world = World()
    await world.start(bench.server.url)
    try:
        async with bench.running(settings, wire_task, TASK_COLLECTIONS) as context:
            yield context
    finally:
        await world.stop()


async def create_task(user: User) -> str:
    created = await user.ask("create", CreateTask(idempotency_key="k1", server_id="s1"), Accepted, service="task")
    return str(created.id)


async def check_a_saga_is_metered(bench: Bench, settings: MeteringSettings) -> None:
    async with bench.running(settings, wire, COLLECTIONS), a_task_service(bench) as task:
        user = User(task.bus)
        await user.ask("set-prices", SetPrices(idempotency_key="p1", prices=OWN), Prices)
        heard = await task.bus.jetstream.subscribe("sms.v1.evt.default.task.*.cost-changed", ordered_consumer=True)
        task_id = await create_task(user)
        await user.task(TaskAction.START, task_id)
        await user.phase(task_id, Phase.LAUNCHED)
        running = await user.cost(task_id, in_phase(Phase.LAUNCHED))
        await user.task(TaskAction.CUTOVER, task_id)
        await user.cost(task_id, with_points(2))
        await user.phase(task_id, Phase.LAUNCHED)
        await user.task(TaskAction.FINISH, task_id)
        await user.phase(task_id, Phase.FINISHED)
        final = await user.cost(task_id, is_final)
        later = await user.cost(task_id, is_final)
        listed = await user.ask("list", ListCosts(), CostList)
        said = []
        while not said or not said[-1].cost.is_final:
            said.append(TaskCostChanged.model_validate_json((await heard.next_msg(timeout=10)).data))
    used_gb = Decimal(inventory().used_bytes) / 10**9
    volume, snapshots, traffic = final.items
    assert used_gb > 0
    assert (traffic.amount, traffic.unit_price) == (round(used_gb * Decimal("0.5"), 6), Decimal("0.5"))
    assert snapshots.quantity == 2
    assert volume.quantity > 0
    assert not running.is_final
    assert running.items[0].amount < volume.amount
    assert (final.is_final, final.currency) == (True, "EUR")
    assert (later.amount, later.items) == (final.amount, final.items), "a final cost stays as it is"
    assert listed.totals[0].amount == final.amount
    assert listed.totals[0].running_tasks == 0
    phases = [event.cost.phase for event in said]
    assert {"READY", "PREPARING", "COPYING", "LAUNCHING", "LAUNCHED", "FINISHED"} <= set(phases)
    assert said[-1].cost.items == final.items
    assert len(phases) <= 20, "steps within a phase are not told"


async def test_the_events_of_a_real_saga_are_metered(bench: Bench) -> None:
    await check_a_saga_is_metered(bench, metering_settings(bench))


@pytest.mark.mongod
async def test_the_same_holds_on_a_replica_set(bench: Bench, mongod) -> None:
    url = mongod.url.replace("/?", f"/t{uuid.uuid4().hex}?")
    await check_a_saga_is_metered(bench, metering_settings(bench, store_url=url))


async def test_a_start_is_refused_below_the_minimum_balance_and_only_then(bench: Bench) -> None:
    async with a_task_service(bench) as task:
        user = User(task.bus)
        task_id = await create_task(user)
        async with bench.running(metering_settings(bench), wire, COLLECTIONS):
            assert (await user.ask("show-balance", ShowBalance(), Balance)).amount is None
            await user.ask("set-balance", SetBalance(idempotency_key="b1", amount=Decimal("99.5")), Balance)
            with pytest.raises(MigrationError) as refused:
                await user.task(TaskAction.START, task_id)
            assert refused.value.code == "SMS.COST.BALANCE_TOO_LOW"
            assert "99.5 CNY" in refused.value.failure.cause
            assert "100 CNY" in refused.value.failure.cause
            await user.ask("set-balance", SetBalance(idempotency_key="b2", amount=Decimal(100)), Balance)
            # A request that is sent again because its answer was lost has no second effect.
            await user.ask("set-balance", SetBalance(idempotency_key="b2", amount=Decimal(100)), Balance)
            await user.task(TaskAction.START, task_id)


async def test_a_start_goes_on_while_metering_is_away(bench: Bench) -> None:
    async with a_task_service(bench) as task:
        user = User(task.bus)
        async with bench.running(metering_settings(bench), wire, COLLECTIONS):
            await user.ask("set-balance", SetBalance(idempotency_key="b1", amount=Decimal(1)), Balance)
        task_id = await create_task(user)
        await user.task(TaskAction.START, task_id)
        await user.phase(task_id, Phase.PREPARING, Phase.COPYING, Phase.LAUNCHING, Phase.LAUNCHED)


async def say(context: ServiceContext, account: str, *events: tuple[str, str, str, Message]) -> None:
    """aggregate, id, what, event: in this order, from one outbox."""
    outbox = [
        OutgoingMessage.of(evt(account, aggregate, identifier, what), event, source="test", account=account)
        for aggregate, identifier, what, event in events
    ]
    said = Record(collection="said", account=account, id=uuid.uuid4().hex, data={})
    await context.store.save(said, expected_version=0, outbox=outbox)


async def test_the_overviews_volume_costs_0_196_from_events_in_reverse_and_twice(bench: Bench) -> None:
    noon = datetime.now(UTC) - timedelta(days=2)
    known = {"request_id": "r", "task_id": "t1", "target_id": "t1"}
    attached = HelperStarted(
        **known, agent_id="a", addresses=(), volume_id="v1", volume_attached_at=noon, volume_size_bytes=40 * 10**9
    )
    released = TargetReleased(**known, released_at=noon + timedelta(hours=10))
    created = TaskCreated(task_id="t1", server_id="s1", source_used_bytes=1, project_id="p1")
    events = [
        ("target", "t1", "released", released),
        ("target", "t1", "helper-started", attached),
        ("task", "t1", "created", created),
    ]
    async with bench.running("test", collections=[SAID]) as test:
        async with bench.running(metering_settings(bench), wire, COLLECTIONS):
            await say(test, "default", *events, *events)
            cost = await User(test.bus).cost("t1", has_400_gb_hours)
        # Another process over the same store, with prices that its file does not change.
        async with bench.running(metering_settings(bench), wire, COLLECTIONS):
            await say(test, "default", *events)
            again = await User(test.bus).cost("t1", has_400_gb_hours)
            of_project = await User(test.bus).ask("list", ListCosts(project_id="p1"), CostList)
            with pytest.raises(MigrationError) as foreign:
                await User(test.bus, "other").ask("show", ShowTaskCost(task_id="t1"), TaskCostDetails)
            assert (await User(test.bus, "other").ask("list", ListCosts(), CostList)).count == 0
    assert str(cost.amount) == "0.196"
    assert again.items == cost.items
    assert (of_project.count, of_project.projects[0].project_id) == (1, "p1")
    assert foreign.value.code == "SMS.COST.NOT_FOUND"


async def test_prices_hold_for_tasks_that_are_created_after_them(bench: Bench) -> None:
    created = TaskCreated(task_id="t1", server_id="s1")
    later = TaskCreated(task_id="t2", server_id="s2")
    async with bench.running("test", collections=[SAID]) as test:
        user = User(test.bus)
        async with bench.running(metering_settings(bench), wire, COLLECTIONS):
            await say(test, "default", ("task", "t1", "created", created))
            before = await user.cost("t1", in_phase(Phase.READY))
            shown = await user.ask("set-prices", SetPrices(idempotency_key="p1", prices=OWN), Prices)
            await say(test, "default", ("task", "t2", "created", later))
            after = await user.cost("t2", in_phase(Phase.READY))
            still = await user.cost("t1", in_phase(Phase.READY))
            listed = await user.ask("list", ListCosts(), CostList)
            other = await User(test.bus, "other").ask("show-prices", ShowPrices(), Prices)
            reset = await user.ask("set-prices", SetPrices(idempotency_key="p2", prices=None), Prices)
        changed = bench.folder / "prices.json"
        changed.write_text(OWN.model_copy(update={"currency": "USD"}).model_dump_json())
        settings = MeteringSettings.model_validate(metering_settings(bench).model_dump() | {"price_file": str(changed)})
        async with bench.running(settings, wire, COLLECTIONS):
            newest = await user.ask("show-prices", ShowPrices(), Prices)
            kept = await user.cost("t1", in_phase(Phase.READY))
    assert (before.currency, after.currency, still.currency, kept.currency) == ("CNY", "EUR", "CNY", "CNY")
    assert [(one.task_id, one.currency) for one in listed.tasks] == [("t1", "CNY"), ("t2", "EUR")]
    assert shown.is_own
    assert not other.is_own
    assert (reset.is_own, reset.prices.currency) == (False, "CNY")
    assert newest.prices.currency == "USD"


async def test_an_estimate_knows_what_the_server_reported_last(bench: Bench) -> None:
    def used(gigabytes: int) -> SourceInventory:
        mount = inventory().mounts[0].model_copy(update={"used_bytes": gigabytes * 10**9})
        return inventory().model_copy(update={"mounts": (mount,), "disks": ()})

    registered = ServerRegistered(server_id="s1", name="web-1", inventory=used(100))
    updated = ServerUpdated(server_id="s1", name="web-1", inventory=used(300))
    request = EstimateCost(server_id="s1", traffic_mode="pay_per_use", duration_s=36_000)
    async with (
        bench.running("test", collections=[SAID]) as test,
        bench.running(metering_settings(bench), wire, COLLECTIONS),
    ):
        user = User(test.bus)
        with pytest.raises(MigrationError) as unknown:
            await user.ask("estimate", request, CostEstimate)
        await say(test, "default", ("server", "s1", "registered", registered), ("server", "s1", "updated", updated))
        async with asyncio.timeout(10):
            while True:
                with suppress(MigrationError):  # until the first event has come
                    forecast = await user.ask("estimate", request, CostEstimate)
                    if forecast.used_bytes == 300 * 10**9:
                        break
                await asyncio.sleep(0.05)
        with pytest.raises(MigrationError) as nothing:
            await user.ask("estimate", EstimateCost(), CostEstimate)
    assert unknown.value.code == "SMS.REGISTRY.SERVER_NOT_FOUND"
    assert nothing.value.code == "SMS.COST.NO_USED_SIZE"
    assert str(forecast.amount) == "240.196"
