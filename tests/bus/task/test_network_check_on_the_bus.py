"""A measurement of the network before the start, asked for in the v3 contract's word."""

from __future__ import annotations

from contracts.messages.reply import Accepted
from contracts.messages.task import CreateTask, Phase, TaskView
from contracts.messages.task_settings import OperateTask
from services.task.bootstrap import COLLECTIONS, wire
from services.task.settings import TaskSettings
from tests.bus.conftest import Bench
from tests.bus.task.test_task_settings import User
from tests.bus.task.world import World


async def test_the_network_is_measured_shown_and_kept_before_anything_is_wiped(
    bench: Bench, settings: TaskSettings, world: World
) -> None:
    async with bench.running(settings, wire, COLLECTIONS) as context:
        user = User(context.bus)
        request = CreateTask(idempotency_key="k1", server_id="s1")
        task_id = (await user.ask("create", request, Accepted)).id
        operate = OperateTask(idempotency_key="k2", task_id=task_id, operation="network_check")
        await user.ask("operate", operate, Accepted)

        def is_measured(view: TaskView) -> bool:
            return view.phase is Phase.READY and not view.step and view.network_check is not None

        view = await user.until(task_id, is_measured)
    assert view.network_check is not None
    assert (view.network_check.verdict, view.network_check.bandwidth_mbit_s) == ("good", 400)
    assert view.network_check.forecast_s is not None
    assert world.commands["check-network"] == 1
    assert world.commands["copy"] == 0
    assert world.last_commands["prepare-target"]["disks"] == []
    assert world.commands["detach-replica"] == 1
