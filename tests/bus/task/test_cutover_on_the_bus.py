"""A cutover with commands on the source: what the agents are told, in which order, and what the user sees of it."""

from __future__ import annotations

import uuid

from contracts.cutover import CutoverSettings, SourceCommand
from contracts.messages.cutover import SetCutover, ShowCutover, TaskCutover
from contracts.messages.reply import Accepted
from contracts.messages.task import Phase, TaskAction
from contracts.subjects import req
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from shared.bus import ServiceBus
from tests.bus.conftest import Bench, eventually
from tests.bus.task.test_task_saga import User
from tests.bus.task.world import World

SETTINGS = CutoverSettings(
    before=(SourceCommand(script="systemctl stop db --password=canary"),),
    after=(SourceCommand(argv=("systemctl", "start", "db")),),
    freezes=True,
)


async def launched(bus: ServiceBus, user: User) -> str:
    task_id = await user.create()
    await user.ask(task_id, TaskAction.START)
    await user.wait(task_id, Phase.LAUNCHED)
    request = SetCutover(idempotency_key=uuid.uuid4().hex, task_id=task_id, settings=SETTINGS)
    await bus.request(req("task", "set-cutover"), request, Accepted, account="default")
    return task_id


async def test_the_source_runs_the_commands_and_the_downtime_is_told(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await launched(context.bus, user)
        shown = await context.bus.request(
            req("task", "show-cutover"), ShowCutover(task_id=task_id), TaskCutover, account="default"
        )
        await user.ask(task_id, TaskAction.CUTOVER)
        await eventually(lambda: world.commands["release-source"] == 1)
        await eventually(lambda: any(what == "cut-over" for what, _ in world.heard))
        view = await user.wait(task_id, Phase.LAUNCHED)
    assert shown.settings == SETTINGS
    told = world.last_commands["cut-over"]
    assert (told["freezes"], told["before"][0]["script"], told["round_number"]) == (True, SETTINGS.before[0].script, 1)
    assert view.is_cut_over
    assert view.cutover is not None
    assert [(each.name, each.output) for each in (*view.cutover.work.before, *view.cutover.work.after)] == [
        ("before 1", "stopped"),
        ("after 1", "started"),
    ]
    events = [message for what, message in world.heard if what == "cut-over"]
    assert len(events) == 1
    assert events[0]["downtime_s"] == view.cutover.downtime_s
    assert events[0]["downtime_s"] >= 3
    assert view.forecast is not None
    assert view.forecast.lag_s is not None
    assert "canary" not in str(world.heard)
    assert "canary" not in view.model_dump_json()


async def test_a_cutover_that_fails_after_the_commands_gives_the_source_back_first(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await launched(context.bus, user)
        world.fails["adapt-layer"] = 1
        await user.ask(task_id, TaskAction.CUTOVER)
        paused = await user.wait(task_id, Phase.PAUSED)
        assert world.commands["stop-work"] == 1
        assert paused.cutover is not None
        assert [each.output for each in paused.cutover.work.after] == ["started"]
        await user.ask(task_id, TaskAction.START)
        await eventually(lambda: world.commands["release-source"] == 1)
        again = await user.wait(task_id, Phase.LAUNCHED)
    assert world.commands["cut-over"] == 2, "the source has been at work since: its last word is copied again"
    assert again.is_cut_over


async def test_an_absent_source_does_not_hold_up_a_cutover_that_is_done(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    world.silent.add("release-source")
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        task_id = await launched(context.bus, user)
        await user.ask(task_id, TaskAction.CUTOVER)
        await eventually(lambda: any(what == "cut-over" for what, _ in world.heard))
        view = await user.wait(task_id, Phase.LAUNCHED)
    assert view.is_cut_over
