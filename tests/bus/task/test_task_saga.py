"""The task service on a real bus and store, in a world that says everything twice."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from contracts.errors import MigrationError
from contracts.messages.agent import AgentResult
from contracts.messages.reply import Accepted
from contracts.messages.task import (
    ActOnTask,
    CreateTask,
    Phase,
    ShowHistory,
    ShowTask,
    TaskAction,
    TaskDetails,
    TaskHistory,
    TaskView,
)
from contracts.subjects import req
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from tests.bus.conftest import Bench, eventually
from tests.bus.task.world import World

T = TypeVar("T")
ROOT = Path(__file__).parents[3]


class User:
    """Asks over the bus, as the command line does."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def create(self, key: str = "k1") -> str:
        request = CreateTask(idempotency_key=key, server_id="s1")
        return (await self._bus.request(req("task", "create"), request, Accepted, account="default")).id

    async def ask(self, task_id: str, action: TaskAction, *, key: str = "") -> None:
        request = ActOnTask(idempotency_key=key or uuid.uuid4().hex, task_id=task_id, action=action, has_consent=True)
        await self._bus.request(req("task", "act"), request, Accepted, account="default")

    async def show(self, task_id: str) -> TaskView:
        reply = await self._bus.request(req("task", "show"), ShowTask(task_id=task_id), TaskDetails, account="default")
        return reply.task

    async def history(self, task_id: str) -> TaskHistory:
        return await self._bus.request(
            req("task", "history"), ShowHistory(task_id=task_id), TaskHistory, account="default"
        )

    async def wait(self, task_id: str, *phases: Phase) -> TaskView:
        async with asyncio.timeout(20):
            while True:
                view = await self.show(task_id)
                if view.phase in phases:
                    return view
                await asyncio.sleep(0.05)


async def test_a_task_runs_from_start_to_finish_with_every_effect_once(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        await user.ask(task_id, TaskAction.START)
        launched = await user.wait(task_id, Phase.LAUNCHED)
        await user.ask(task_id, TaskAction.CUTOVER)
        await asyncio.sleep(0.1)
        cut_over = await user.wait(task_id, Phase.LAUNCHED)
        await user.ask(task_id, TaskAction.FINISH)
        finished = await user.wait(task_id, Phase.FINISHED)
        history = await user.history(task_id)
    assert not launched.is_cut_over
    assert cut_over.is_cut_over
    assert len(finished.rounds) == 2
    assert set(world.effects.values()) == {1}
    assert world.commands["copy"] == world.commands["sync"] == 1
    assert [entry.version for entry in history.entries] == list(range(1, finished.version + 1))


async def test_a_service_killed_at_any_time_goes_on_without_a_second_effect(bench: Bench, world: World) -> None:
    seed = random.randrange(1 << 32)
    sys.stdout.write(f"seed {seed}\n")
    moments = random.Random(seed)
    environment = {
        **os.environ,
        "SMS_TASK_BUS_URL": bench.server.url,
        "SMS_TASK_STORE_URL": f"sqlite:///{bench.folder / 'task'}.sqlite",
        "SMS_TASK_COMMAND_PAUSE_S": "0.1",
    }
    world.delay_s = 0.05
    async with bench.running("user") as context:
        user = User(context.bus)
        task_id, view, kills = "", None, 0
        while kills < 40:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.task", env=environment, cwd=ROOT
            )
            try:
                view = await _once_it_answers(user, task_id)
                if view is None:
                    task_id = await _once_it_listens(user.create)
                    await _once_it_listens(lambda started=task_id: user.ask(started, TaskAction.START, key="start"))
                elif view.phase is Phase.LAUNCHED:
                    break
                await asyncio.sleep(moments.uniform(0, 0.15))
            finally:
                process.kill()
                await process.wait()
                kills += 1
    assert view is not None
    assert view.phase is Phase.LAUNCHED
    assert kills >= 2
    assert set(world.effects.values()) == {1}


async def _once_it_listens(ask: Callable[[], Awaitable[T]]) -> T:
    """A service that starts takes up its subjects one by one, in no order."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await ask()
            except MigrationError as error:
                if error.code != "SMS.SERVICE.UNAVAILABLE":
                    raise
                await asyncio.sleep(0.05)


async def _once_it_answers(user: User, task_id: str) -> TaskView | None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await user.show(task_id or "none")
            except MigrationError as error:
                if error.code == "SMS.TASK.NOT_FOUND":
                    return None
                await asyncio.sleep(0.05)


async def test_a_repeated_request_is_applied_once(bench: Bench, settings: TaskSettings, world: World) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        assert await user.create("same") == await user.create("same")
        task_id = await user.create("same")
        await user.ask(task_id, TaskAction.START, key="once")
        await user.wait(task_id, Phase.LAUNCHED)
        with pytest.raises(MigrationError, match=r"SMS\.TASK\.SERVER_BUSY"):
            await user.create("another")
    assert world.commands["provision"] == 1


async def test_a_failed_copy_pauses_with_the_agents_code_and_resumes(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    world.fails["copy"] = 1
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        await user.ask(task_id, TaskAction.START)
        paused = await user.wait(task_id, Phase.PAUSED)
        await user.ask(task_id, TaskAction.START)
        await user.wait(task_id, Phase.LAUNCHED)
    assert paused.error is not None
    assert paused.error.code == "SMS.TEST.GONE"
    assert world.commands["provision"] == 1
    assert world.commands["copy"] == 2


async def test_a_command_waits_for_an_agent_that_is_away(bench: Bench, settings: TaskSettings, world: World) -> None:
    world.silent.add("make-key")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        await user.ask(task_id, TaskAction.START)
        await asyncio.sleep(1.5)
        waiting = await user.show(task_id)
        world.silent.clear()
        await user.wait(task_id, Phase.LAUNCHED)
    assert (waiting.phase, waiting.step) == (Phase.PREPARING, "SOURCE_KEY")


async def test_a_task_ends_although_its_source_is_gone_for_good(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        await user.ask(task_id, TaskAction.START)
        await user.wait(task_id, Phase.LAUNCHED)
        world.silent.add("forget-task")
        await user.ask(task_id, TaskAction.FINISH)
        await user.wait(task_id, Phase.FINISHED)


async def test_a_server_that_is_not_connected_is_not_started(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    world.is_connected = False
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        with pytest.raises(MigrationError, match=r"SMS\.TASK\.DISCONNECTED"):
            await user.ask(task_id, TaskAction.START)


async def test_certificates_of_a_long_copy_are_renewed_while_it_goes_on(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    world.certificate_life = timedelta(minutes=20)
    world.held.add("copy")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        await user.ask(task_id, TaskAction.START)
        await user.wait(task_id, Phase.COPYING)
        world.certificate_life = timedelta(hours=1)
        await eventually(lambda: world.commands["renew-certificate"] >= 2)
        view = await user.show(task_id)
    assert view.phase is Phase.COPYING
    assert world.commands["copy"] == 1


async def test_an_answer_of_an_agent_for_a_task_that_is_not_its_own_changes_nothing(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    world.held.add("copy")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await user.create()
        await user.ask(task_id, TaskAction.START)
        await user.wait(task_id, Phase.COPYING)
        before = await user.show(task_id)
        for task in (task_id, "unknown"):
            await world.forge(AgentResult(task_id=task, epoch=before.version, verb="copy"), agent_id="stranger")
        await asyncio.sleep(1)
        after = await user.show(task_id)
    assert (after.phase, after.version) == (before.phase, before.version)
