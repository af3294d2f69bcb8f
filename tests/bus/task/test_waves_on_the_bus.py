"""Waves on a real bus and store: turns, partial failures, restarts at any time, repeated requests."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from contracts.errors import MigrationError
from contracts.messages.reply import Accepted
from contracts.messages.task import ListTasks, TaskList
from contracts.messages.wave import (
    ActOnWave,
    CheckWave,
    CreateWave,
    DeleteWave,
    LimitWave,
    ListWaves,
    ShowWave,
    UpdateWave,
    WaveAction,
    WaveChanges,
    WaveDetails,
    WaveFields,
    WaveList,
    WaveOutcome,
    WaveState,
    WaveView,
)
from contracts.subjects import req
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from shared.bus.reading import M
from tests.bus.conftest import Bench
from tests.bus.task.many_servers import ManyServers

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def world(bench: Bench) -> AsyncIterator[ManyServers]:
    world = ManyServers()
    await world.start(bench.server.url)
    yield world
    await world.stop()


class User:
    """Asks over the bus, as the gateway does."""

    def __init__(self, bus: ServiceBus, account: str = "default") -> None:
        self._bus = bus
        self._account = account

    async def ask(self, verb: str, message: object, reply: type[M]) -> M:
        return await self._bus.request(req("task", verb), message, reply, account=self._account)  # type: ignore[arg-type]

    async def create(self, *server_ids: str, key: str = "w", **fields: object) -> str:
        wave = WaveFields.model_validate({"name": "first", "server_ids": server_ids, **fields})
        return (await self.ask("create-wave", CreateWave(idempotency_key=key, wave=wave), Accepted)).id

    async def act(self, wave_id: str, action: WaveAction, *, key: str = "", consent: bool = True) -> dict[str, str]:
        request = ActOnWave(
            idempotency_key=key or uuid.uuid4().hex, wave_id=wave_id, action=action, has_consent=consent
        )
        return codes(await self.ask("act-on-wave", request, WaveOutcome))

    async def show(self, wave_id: str) -> WaveView:
        return (await self.ask("show-wave", ShowWave(wave_id=wave_id), WaveDetails)).wave

    async def wait(self, wave_id: str, is_there: Callable[[WaveView], bool], *, timeout_s: float = 20) -> WaveView:
        async with asyncio.timeout(timeout_s):
            while not is_there(view := await self.show(wave_id)):
                await asyncio.sleep(0.05)
            return view


def codes(outcome: WaveOutcome) -> dict[str, str]:
    return {item.server_id: item.failure.code if item.failure else item.outcome for item in outcome.items}


def state(wanted: WaveState) -> Callable[[WaveView], bool]:
    return lambda view: view.state is wanted


async def test_a_wave_is_started_cut_over_and_finished_together(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        wave_id = await user.create("a", "b", "c", max_running=2)
        assert await user.act(wave_id, WaveAction.START) == {"a": "done", "b": "done", "c": "waiting"}
        launched = await user.wait(wave_id, state(WaveState.LAUNCHED))
        assert await user.act(wave_id, WaveAction.CUTOVER) == dict.fromkeys("abc", "done")
        await user.wait(wave_id, state(WaveState.CUT_OVER))
        assert await user.act(wave_id, WaveAction.CUTOVER) == dict.fromkeys("abc", "done"), "once is enough"
        assert (await user.wait(wave_id, state(WaveState.CUT_OVER))).percent == 100
        await user.act(wave_id, WaveAction.FINISH)
        finished = await user.wait(wave_id, state(WaveState.FINISHED))
        assert await user.act(wave_id, WaveAction.START) == dict.fromkeys("abc", "done"), "what is finished stays so"
        tasks = await user.ask("list", ListTasks(), TaskList)
    assert [row.server_name for row in launched.rows] == ["name-a", "name-b", "name-c"]
    assert finished.counts == {"FINISHED": 3}
    assert tasks.count == 3
    assert world.commands["provision"] == world.commands["sync"] == world.commands["finish"] == 3
    assert set(world.effects.values()) == {1}


async def test_never_more_tasks_run_than_the_wave_says(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    world.servers = {f"s{number}": {} for number in range(6)}
    world.held.add("copy")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        wave_id = await user.create(*world.servers, max_running=2)
        await user.act(wave_id, WaveAction.START)
        await user.wait(wave_id, lambda view: view.counts.get("COPYING") == 2)
        await asyncio.sleep(0.5)
        view = await user.show(wave_id)
        with pytest.raises(MigrationError, match=r"SMS\.WAVE\.BUSY.*4 servers"):
            await user.act(wave_id, WaveAction.CUTOVER)
        with pytest.raises(MigrationError, match=r"SMS\.WAVE\.BUSY"):
            await user.ask("delete-wave", DeleteWave(wave_id=wave_id), Accepted)
        await user.act(wave_id, WaveAction.STOP)
        stopped = await user.wait(wave_id, state(WaveState.ATTENTION))
    assert (view.counts, sum(row.is_waiting for row in view.rows)) == ({"COPYING": 2, "NONE": 4}, 4)
    assert stopped.counts == {"NONE": 4, "PAUSED": 2}
    assert not any(row.is_waiting for row in stopped.rows)


async def test_what_fails_for_one_server_stops_no_other(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    world.servers["d"] = {}
    world.unconnected.add("b")
    world.infeasible.add("c")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        wave_id = await user.create("nobody", "a", "b", "c", "d", max_running=1)
        checked = codes(await user.ask("check-wave", CheckWave(wave_id=wave_id), WaveOutcome))
        untouched = await user.ask("list", ListTasks(), TaskList)
        await user.act(wave_id, WaveAction.START)
        settled = await user.wait(wave_id, state(WaveState.ATTENTION))
        await user.act(wave_id, WaveAction.CUTOVER)
        cut_over = await user.wait(wave_id, lambda view: sum(row.is_cut_over for row in view.rows) == 2)
        world.unconnected.clear()
        world.infeasible.clear()
        await user.act(wave_id, WaveAction.START)
        mended = await user.wait(wave_id, lambda view: view.counts.get("LAUNCHED") == 4)
    refused = {
        "nobody": "SMS.REGISTRY.NOT_FOUND",
        "a": "done",
        "b": "SMS.TASK.DISCONNECTED",
        "c": "SMS.TASK.NOT_FEASIBLE",
        "d": "done",
    }
    assert checked.keys() == refused.keys()
    assert {**checked, "nobody": ""} == {**refused, "nobody": ""}
    assert untouched.count == 0, "a check changes nothing"
    assert settled.counts == {"LAUNCHED": 2, "NONE": 2, "READY": 1}
    shown = {row.server_id: row.failure.code for row in settled.rows if row.failure}
    assert {"b": shown["b"], "c": shown["c"]} == {"b": "SMS.TASK.DISCONNECTED", "c": "SMS.TASK.NOT_FEASIBLE"}
    assert {row.server_id: row.failure.code for row in cut_over.rows if row.failure}["c"] == "SMS.WAVE.NO_TASK"
    assert [row.failure.code if row.failure else "" for row in mended.rows][1:] == ["", "", "", ""]


async def test_tags_are_looked_at_when_the_wave_is_started(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    world.servers = {f"s{number}": {"tier": "web", "wave": str(number % 2)} for number in range(6)} | {"x": {}}
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        wave_id = await user.create("x", tags={"tier": "", "wave": "1"}, max_running=10)
        before = await user.show(wave_id)
        world.servers["s5"] = {}
        assert (await user.act(wave_id, WaveAction.START)).keys() == {"x", "s1", "s3"}
        await user.wait(wave_id, state(WaveState.LAUNCHED))
        empty = await user.create(key="none", tags={"tier": "db"})
        with pytest.raises(MigrationError, match=r"SMS\.WAVE\.EMPTY"):
            await user.act(empty, WaveAction.START)
    assert [row.server_id for row in before.rows] == ["x"]


async def test_a_repeated_request_has_one_effect(bench: Bench, settings: TaskSettings, world: ManyServers) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        wave_id = await user.create("a", "b")
        assert await user.create("a", "b") == wave_id
        with pytest.raises(MigrationError, match=r"SMS\.WAVE\.NO_CONSENT"):
            await user.act(wave_id, WaveAction.START, consent=False)
        for _ in range(3):
            await user.act(wave_id, WaveAction.START, key="once")
        await user.wait(wave_id, state(WaveState.LAUNCHED))
        for _ in range(3):
            await user.act(wave_id, WaveAction.SYNC, key="sync")
        await user.wait(wave_id, state(WaveState.LAUNCHED))
    assert world.commands["provision"] == world.commands["sync"] == 2


async def test_a_wave_belongs_to_its_account(bench: Bench, settings: TaskSettings, world: ManyServers) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user, stranger = User(context.bus), User(context.bus, "b")
        wave_id = await user.create("a")
        for verb, message in (
            ("show-wave", ShowWave(wave_id=wave_id)),
            ("check-wave", CheckWave(wave_id=wave_id)),
            ("delete-wave", DeleteWave(wave_id=wave_id)),
            ("update-wave", UpdateWave(idempotency_key="u", wave_id=wave_id, changes=WaveChanges(name="mine"))),
            ("limit-wave", LimitWave(idempotency_key="l", wave_id=wave_id, rate_limit_bit_s=1)),
            ("act-on-wave", ActOnWave(idempotency_key="s", wave_id=wave_id, action=WaveAction.STOP)),
        ):
            with pytest.raises(MigrationError, match=r"SMS\.WAVE\.NOT_FOUND"):
                await stranger.ask(verb, message, WaveDetails)
        assert (await stranger.ask("list-waves", ListWaves(), WaveList)).count == 0
        await user.ask("delete-wave", DeleteWave(wave_id=wave_id), Accepted)
        assert (await user.ask("list-waves", ListWaves(), WaveList)).count == 0


async def test_a_limit_holds_for_tasks_that_are_there_and_for_those_to_come(
    bench: Bench, settings: TaskSettings, world: ManyServers
) -> None:
    world.held.add("copy")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        wave_id = await user.create("a", "b", max_running=1, rate_limit_bit_s=5_000_000)
        await user.act(wave_id, WaveAction.START)
        await user.wait(wave_id, lambda view: view.counts.get("COPYING") == 1)
        request = LimitWave(idempotency_key="l", wave_id=wave_id, rate_limit_bit_s=8_000_000)
        limited = codes(await user.ask("limit-wave", request, WaveOutcome))
        more = UpdateWave(idempotency_key="u", wave_id=wave_id, changes=WaveChanges(max_running=2))
        await user.ask("update-wave", more, Accepted)
        await user.wait(wave_id, lambda view: view.counts.get("COPYING") == 2)
        tasks = await user.ask("list", ListTasks(), TaskList)
    assert limited == {"a": "done", "b": "done"}
    assert Counter(task.options.rate_limit_bit_s for task in tasks.tasks) == {8_000_000: 2}


async def test_a_service_killed_at_any_time_goes_on_with_its_wave(bench: Bench, world: ManyServers) -> None:
    seed = random.randrange(1 << 32)
    sys.stdout.write(f"seed {seed}\n")
    moments = random.Random(seed)
    world.servers = {f"s{number}": {} for number in range(4)}
    world.delay_s = 0.02
    environment = {
        **os.environ,
        "SMS_TASK_BUS_URL": bench.server.url,
        "SMS_TASK_STORE_URL": f"sqlite:///{bench.folder / 'task'}.sqlite",
        "SMS_TASK_COMMAND_PAUSE_S": "0.1",
        "SMS_TASK_WAVE_INTERVAL_S": "0.05",
    }
    async with bench.running("user") as context:
        user = User(context.bus)
        wave_id, view, kills = "", None, 0
        while kills < 30:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.task", env=environment, cwd=ROOT
            )
            try:
                await _until_it_answers(user)
                if not wave_id:
                    wave_id = await user.create(*world.servers, max_running=2)
                    await user.act(wave_id, WaveAction.START)
                view = await user.show(wave_id)
                if view.state is WaveState.LAUNCHED:
                    break
                await asyncio.sleep(moments.uniform(0.05, 0.4))
            finally:
                process.kill()
                await process.wait()
                kills += 1
    assert view is not None
    assert view.state is WaveState.LAUNCHED
    assert kills >= 2
    assert world.commands["provision"] >= 4
    assert set(world.effects.values()) == {1}
    assert len({request.split(":")[0] for request in world.effects}) == 4, "one task for each server"


async def _until_it_answers(user: User) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await user.ask("list-waves", ListWaves(), WaveList)
            except MigrationError:
                await asyncio.sleep(0.05)
            else:
                return
