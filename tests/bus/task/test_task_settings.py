"""Limits, settings and operations of a task on a real bus and store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from contracts.base import Message
from contracts.errors import MigrationError
from contracts.messages.reply import Accepted
from contracts.messages.task import CreateTask, Phase, ShowTask, TaskDetails, TaskView
from contracts.messages.task_settings import (
    ConfigureTask,
    DeleteTasks,
    OperateTask,
    RecordNetworkCheck,
    SetSpeedLimits,
    TasksDeleted,
    UpdateTask,
)
from contracts.speed_limit import SpeedPeriod
from contracts.subjects import req
from contracts.task_settings import ConfigurationSetting, NetworkCheck
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from tests.bus.conftest import Bench
from tests.bus.task.world import World

M = TypeVar("M", bound=Message)
MBIT = 1_000_000
NOON = 12 * 60


class User:
    """Asks over the bus, as the gateway does."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def ask(self, verb: str, message: Message, reply: type[M]) -> M:
        return await self._bus.request(req("task", verb), message, reply, account="default", actor="tester")

    async def copying(self, world: World, **fields: object) -> TaskView:
        """A task whose copy goes on until the test ends it."""
        world.held.add("copy")
        request = CreateTask(idempotency_key="k1", server_id="s1", starts_at_once=True, **fields)
        task_id = (await self.ask("create", request, Accepted)).id
        view = await self.until(task_id, lambda view: view.step == "COPY")
        async with asyncio.timeout(10):
            while not world.commands["copy"]:
                await asyncio.sleep(0.02)
        return view

    async def show(self, task_id: str) -> TaskView:
        return (await self.ask("show", ShowTask(task_id=task_id), TaskDetails)).task

    async def until(self, task_id: str, is_there: Callable[[TaskView], bool]) -> TaskView:
        async with asyncio.timeout(20):
            while not is_there(view := await self.show(task_id)):
                await asyncio.sleep(0.05)
        return view

    async def limit(self, task_id: str, *periods: SpeedPeriod, key: str = "limit") -> None:
        request = SetSpeedLimits(idempotency_key=key, task_id=task_id, periods=periods)
        await self.ask("set-speed-limits", request, Accepted)


def all_day(rate_mbit_s: int, percent: float | None = None) -> SpeedPeriod:
    return SpeedPeriod(start="00:00", end="24:00", rate_mbit_s=rate_mbit_s, over_speed_percent=percent)


async def test_new_limits_reach_a_source_that_copies_within_a_second(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await user.copying(world)
        began = time.monotonic()
        await user.limit(view.id, all_day(20))
        async with asyncio.timeout(1):
            while not world.commands["limit-speed"]:
                await asyncio.sleep(0.01)
        assert time.monotonic() - began < 1
        after = await user.show(view.id)
    assert world.last_commands["limit-speed"]["limits"]["periods"][0]["rate_mbit_s"] == 20
    assert world.last_commands["limit-speed"]["version"] == after.version
    # What runs goes on: no step began anew, and no command was given again.
    assert (after.step, world.commands["copy"]) == ("COPY", 1)


async def test_a_source_that_was_away_hears_the_newest_limits_when_it_is_back(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await user.copying(world)
        world.silent.add("limit-speed")
        await user.limit(view.id, all_day(20), key="one")
        await user.limit(view.id, all_day(30), key="two")
        await asyncio.sleep(0.3)
        assert not world.commands["limit-speed"]
        world.silent.clear()
        async with asyncio.timeout(10):
            while not world.commands["limit-speed"]:
                await asyncio.sleep(0.02)
        assert world.last_commands["limit-speed"]["limits"]["periods"][0]["rate_mbit_s"] == 30


async def test_a_restarted_service_says_the_limits_again(bench: Bench, settings: TaskSettings, world: World) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await user.copying(world)
        world.silent.add("limit-speed")
        await user.limit(view.id, all_day(40))
    world.silent.clear()
    async with bench.running(settings, wire, COLLECTIONS), asyncio.timeout(10):
        while not world.commands["limit-speed"]:
            await asyncio.sleep(0.02)
    assert world.last_commands["limit-speed"]["limits"]["periods"][0]["rate_mbit_s"] == 40


async def test_a_source_above_limit_and_threshold_is_stopped_with_a_code(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await user.copying(world)
        await user.limit(view.id, all_day(100, 10))
        epoch = world.last_commands["copy"]["epoch"]
        await world.report_progress(view.id, epoch, wire_rate_bit_s=109 * MBIT, minute_of_day=NOON)
        await asyncio.sleep(0.3)
        assert (await user.show(view.id)).phase is Phase.COPYING
        await world.report_progress(view.id, epoch, wire_rate_bit_s=111 * MBIT, minute_of_day=NOON)
        paused = await user.until(view.id, lambda view: view.phase is Phase.PAUSED)
    assert paused.error is not None
    assert paused.error.code == "SMS.TASK.OVER_SPEED"
    assert "111" in paused.error.cause
    assert world.commands["stop-work"] == 1


async def test_a_check_before_the_launch_can_be_skipped(bench: Bench, settings: TaskSettings, world: World) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        world.held.add("verify")
        request = CreateTask(idempotency_key="k1", server_id="s1", starts_at_once=True, checks_consistency=True)
        task_id = (await user.ask("create", request, Accepted)).id
        await user.until(task_id, lambda view: view.step == "VERIFY")
        skip = OperateTask(idempotency_key="skip", task_id=task_id, operation="skip")
        await user.ask("operate", skip, Accepted)
        await user.ask("operate", skip, Accepted)
        launched = await user.until(task_id, lambda view: view.phase is Phase.LAUNCHED)
    assert launched.verification is None
    assert world.commands["stop-work"] == 1


async def test_a_repeated_request_is_applied_once_and_a_refused_one_changes_nothing(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = (await user.ask("create", CreateTask(idempotency_key="k1", server_id="s1"), Accepted)).id
        update = UpdateTask(idempotency_key="u", task_id=task_id, name="renamed", priority=2)
        await user.ask("update", update, Accepted)
        await user.ask("update", update.model_copy(update={"name": "again"}), Accepted)
        wrong = ConfigureTask(
            idempotency_key="c",
            task_id=task_id,
            settings=(
                ConfigurationSetting(key="DYNAMIC_PORT", value="true"),
                ConfigurationSetting(key="LINUX_CPU_LIMIT", value="101"),
            ),
        )
        with pytest.raises(MigrationError, match=r"SMS\.TASK\.SETTING_INVALID"):
            await user.ask("configure", wrong, Accepted)
        view = await user.show(task_id)
    assert (view.name, view.priority, view.version, view.configuration) == ("renamed", 2, 1, ())


async def test_a_network_check_of_another_servers_agent_is_not_taken(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    check = NetworkCheck(
        delay_ms=1, jitter_ms=0.1, bandwidth_mbit_s=900, loss_percent=0, cpu_percent=1, memory_percent=1, verdict="good"
    )
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = (await user.ask("create", CreateTask(idempotency_key="k1", server_id="s1"), Accepted)).id
        foreign = RecordNetworkCheck(idempotency_key="n1", task_id=task_id, server_id="s2", check=check)
        with pytest.raises(MigrationError, match=r"SMS\.TASK\.NOT_FOUND"):
            await user.ask("record-network-check", foreign, Accepted)
        own = foreign.model_copy(update={"server_id": "s1", "idempotency_key": "n2"})
        await user.ask("record-network-check", own, Accepted)
        kept = (await user.show(task_id)).network_check
    assert kept is not None
    assert (kept.verdict, kept.taken_at is not None) == ("good", True)


async def test_each_of_many_tasks_is_deleted_or_refused_for_itself(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = (await user.ask("create", CreateTask(idempotency_key="k1", server_id="s1"), Accepted)).id
        request = DeleteTasks(idempotency_key="d", task_ids=("unknown", task_id))
        first = await user.ask("delete-many", request, TasksDeleted)
        again = await user.ask("delete-many", request, TasksDeleted)
        await user.until(task_id, lambda view: view.phase is Phase.DELETED)
    outcomes = [(one.id, one.failure.code if one.failure else None) for one in first.results]
    assert outcomes == [("unknown", "SMS.TASK.NOT_FOUND"), (task_id, None)]
    assert again == first
