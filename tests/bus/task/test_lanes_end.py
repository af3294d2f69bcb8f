"""What waits for agents ends with the service: nothing goes on behind a closed bus."""

from __future__ import annotations

import asyncio

from contracts.messages.task import TaskAction
from services.task.adapters.agent_lane import AgentLane
from services.task.domain.instructions import agent_command
from services.task.domain.phases import Step
from services.task.domain.saga import act, succeed
from services.task.domain.task import Task
from services.task.speed_telling import SpeedTelling
from tests.bus.conftest import Bench
from tests.unit.task.saga_world import cause, learned, new_task


def copying() -> Task:
    """A task whose source agent is to copy, and is away."""
    task = act(new_task(), TaskAction.START, cause(), has_consent=True, overwrite_target=False)
    while task.step is not Step.COPY:
        task = succeed(task, cause(), **learned(task, cause().at))
    assert agent_command(task) is not None
    return task


def waiting() -> set[str]:
    return {each.get_name() for each in asyncio.all_tasks() if each.get_name() in {"command-t1", "speed-t1"}}


async def test_commands_and_speed_limits_for_an_agent_that_is_away_end_with_the_service(bench: Bench, settings) -> None:
    task = copying()
    async with bench.running("task") as context:
        lane = AgentLane(context.bus, settings)
        telling = SpeedTelling(None, lane, pause_s=60)  # type: ignore[arg-type]
        lane.notice(task)
        telling.tell_soon(task)
        await asyncio.sleep(0.1)
        assert waiting() == {"command-t1", "speed-t1"}
        await asyncio.gather(lane.close(), telling.close())
        assert waiting() == set()
        lane.notice(task)
        telling.tell_soon(task)
        assert waiting() == set()
