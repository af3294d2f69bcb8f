"""A continuous sync as its user sees it: the source's own word on the lag while it goes on, and none of it after."""

from __future__ import annotations

import asyncio

from contracts.forecast import SyncForecast
from contracts.messages.reply import Accepted
from contracts.messages.task import ActOnTask, CreateTask, Phase, TaskAction, TaskView
from contracts.transfer import CopySummary, FollowedRound
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from tests.bus.conftest import Bench, eventually
from tests.bus.task.test_task_settings import User
from tests.bus.task.world import World

LAG_S = 0.25


async def following(user: User, world: World) -> TaskView:
    """A launched task whose source has begun a sync that goes on, and says how far behind the target is."""
    request = CreateTask(idempotency_key="k1", server_id="s1", starts_at_once=True)
    task_id = (await user.ask("create", request, Accepted)).id
    await user.until(task_id, lambda view: view.phase is Phase.LAUNCHED)
    world.held.add("sync")
    await act(user, task_id, TaskAction.SYNC, is_continuous=True)
    await eventually(lambda: world.commands["sync"] == 1)
    assert world.last_commands["sync"]["is_continuous"]
    epoch = world.last_commands["sync"]["epoch"]

    def in_step(view: TaskView) -> bool:
        return view.forecast is not None and view.forecast.lag_s == LAG_S

    async with asyncio.timeout(10):
        while True:
            await world.report_progress(task_id, epoch, lag_s=LAG_S)
            if in_step(view := await user.show(task_id)):
                return view


async def act(user: User, task_id: str, action: TaskAction, **more: bool) -> None:
    await user.ask("act", ActOnTask(idempotency_key=f"{action}", task_id=task_id, action=action, **more), Accepted)


def forecast(view: TaskView) -> SyncForecast:
    assert view.forecast is not None
    return view.forecast


async def test_a_stopped_sync_leaves_the_target_as_old_as_its_last_round(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    summary = CopySummary(round_number=1, seconds=7200, files_sent=5)
    world.says["stop-work"] = {"summary": summary, "lag_s": 40}
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await following(user, world)
        await act(user, view.id, TaskAction.STOP)
        stopped = await user.until(view.id, lambda view: view.phase is Phase.PAUSED)
    assert stopped.progress is None
    assert [each.files_sent for each in stopped.rounds] == [3, 5]
    lag_s = forecast(stopped).lag_s
    assert lag_s is not None
    assert 40 <= lag_s < 3600, "since the source was in step, not since the sync began"
    told = [message["replica_from"] for what, message in world.heard if what == "changed"]
    assert told[0] is None
    assert told[-1] == stopped.rounds[-1].model_dump(mode="json")["began_at"]


async def test_a_launch_ends_a_sync_and_what_it_said_of_the_lag(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await following(user, world)
        world.held = {"adapt-layer"}
        await act(user, view.id, TaskAction.LAUNCH)
        adapting = await user.until(view.id, lambda view: view.step == "ADAPT")
        assert world.last_commands["sync"]["is_continuous"] is False
        assert adapting.progress is None, "what a step that has ended said is not said of another one"
        assert forecast(adapting).lag_s != LAG_S


async def test_a_sync_that_falls_behind_says_so_while_it_goes_on_and_once(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    def told() -> list[dict[str, object]]:
        return [message for what, message in world.heard if what == "convergence-changed"]

    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        view = await following(user, world)
        epoch = world.last_commands["sync"]["epoch"]
        for number in range(1, 5):
            growing = FollowedRound(after_s=10 * number, seconds=10 * number + 10, bytes_content=10**8 * (number + 1))
            await world.report_round(view.id, epoch, growing)
        await eventually(lambda: len(told()) == 1)
        behind = await user.show(view.id)
        assert forecast(behind).converges is False
        assert behind.step == view.step, "what runs goes on"
        await world.report_round(view.id, epoch + 1, FollowedRound(after_s=50, seconds=1, bytes_content=1))
        await world.report_round(view.id, epoch, FollowedRound(after_s=50, seconds=1, bytes_content=10**7))
        await eventually(lambda: len(told()) == 2)
    assert [message["converges"] for message in told()] == [False, True]
    assert told()[0]["link_rate_bytes_s"] == 10**7
