"""F2: the provisioner is killed after a provider's effect and before the record of it; one resource comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from contracts.messages.target_provisioner import (
    BootHelper,
    Census,
    CensusRequest,
    CreateLaunchLayer,
    DiskRequest,
    FinishTarget,
    HealthCheck,
    LaunchTarget,
    PointTaken,
    ProvisionerCommand,
    ProvisioningFailed,
    ProvisionTarget,
    ReleaseTarget,
    TakePoint,
    TargetReleased,
)
from services.target_provisioner.adapters.local_provider import LocalProvider
from services.target_provisioner.bootstrap import wire_with
from services.target_provisioner.domain.target import name_for
from services.target_provisioner.settings import TargetProvisionerSettings
from shared.service import ServiceContext

pytestmark = pytest.mark.root
MIB = 1 << 20


class Interrupted:
    """A provider whose one method has its effect and never returns, so that nothing is recorded."""

    def __init__(self, provider: LocalProvider, method: str) -> None:
        self._provider = provider
        self._method = method
        self.has_effect = asyncio.Event()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._provider, name)
        if name != self._method:
            return method

        async def never_returns(*arguments: object, **options: object) -> None:
            await method(*arguments, **options)
            self.has_effect.set()
            await asyncio.Event().wait()

        return never_returns


def named(request_id: str) -> dict[str, str]:
    return {"request_id": f"t1:{request_id}", "task_id": "t1", "target_id": "t1"}


POINT = name_for("point", "t1:point:1")
LAYER = name_for("layer", "t1:layer:1")
STEPS: tuple[tuple[str, ProvisionerCommand], ...] = (
    ("create_disks", ProvisionTarget(**named("provision:1"), disks=(DiskRequest(name="vda", size_bytes=MIB),))),
    ("boot_helper", BootHelper(**named("helper:1"), volume_size_bytes=64 * MIB)),
    ("take_point", TakePoint(**named("point:1"))),
    ("create_layer", CreateLaunchLayer(**named("layer:1"), point_id=POINT)),
    ("launch", LaunchTarget(**named("launch:1"), layer_id=LAYER, health_check=HealthCheck(timeout_s=60))),
    ("flatten", FinishTarget(**named("finish:1"), layer_id=LAYER)),
    ("release", ReleaseTarget(**named("release:1"))),
)


@pytest.mark.parametrize("method", [method for method, _ in STEPS])
async def test_a_kill_between_effect_and_record_leaves_one_of_everything(desk, host_agent, method) -> None:
    killed_at = [name for name, _ in STEPS].index(method)
    before = [command for name, command in STEPS[:killed_at] if name not in ("launch", "flatten")]
    command = STEPS[killed_at][1]
    async with desk.provisioner():
        for earlier in before:
            assert not isinstance(await desk.ask(earlier), ProvisioningFailed)
    interrupted: list[Interrupted] = []

    async def wire_interrupted(context: ServiceContext) -> None:
        settings = context.settings
        assert isinstance(settings, TargetProvisionerSettings)
        local = LocalProvider(context.bus, request_timeout_s=20, patience_s=20)
        interrupted.append(Interrupted(local, method))
        wire_with(context, settings, {"local": interrupted[0]})

    async with desk.provisioner(wire_interrupted):
        await desk.send(command)
        await asyncio.wait_for(interrupted[0].has_effect.wait(), 20)
        assert not [event for event in desk.events if event.request_id == command.request_id]
    async with desk.provisioner():
        answer = await desk.answer(command.request_id)
        if method == "launch":
            # The disk is empty: the one machine that was started found no boot loader.
            assert answer.failure.code == "SMS.LAUNCH.BOOT_LOADER"
        else:
            assert not isinstance(answer, ProvisioningFailed)
        census = await desk.request("census", CensusRequest(), Census)
        kinds = [name.split("/")[1] for name in (*census.kept, *census.temporary)]
        once = [kind for kind in kinds if kind in ("disk", "helper", "volume", "point", "layer", "machine")]
        assert len(once) == len(set(once))
        if method == "release":
            assert kinds == []
        elif method == "flatten":
            assert census.temporary == ()
        assert isinstance(await desk.ask(ReleaseTarget(**named("release:2"))), TargetReleased)
        assert host_agent.leftovers() == []


async def test_what_no_record_names_is_reaped_at_the_next_start_and_copies_are_not(desk, host_agent) -> None:
    async def make_unrecorded(context: ServiceContext) -> None:
        settings = context.settings
        assert isinstance(settings, TargetProvisionerSettings)
        wire_with(context, settings, {"local": LocalProvider(context.bus, request_timeout_s=20, patience_s=20)})

    async with desk.provisioner(make_unrecorded) as context:
        for _, command in STEPS[:1]:
            await desk.ask(command)
        point = await desk.ask(TakePoint(**named("point:1")))
        assert isinstance(point, PointTaken)
        local = LocalProvider(context.bus, request_timeout_s=20, patience_s=20)
        await local.create_layer("t1", layer_id="nobody", point_id=point.point_id)
        await local.create_disks("stray", (DiskRequest(name="vda", size_bytes=MIB),))
    async with desk.provisioner():
        async with asyncio.timeout(10):
            while (await desk.request("census", CensusRequest(), Census)).temporary.count("t1/layer/nobody"):
                await asyncio.sleep(0.05)
        census = await desk.request("census", CensusRequest(), Census)
        assert set(census.kept) == {"t1/disk/vda", "stray/disk/vda"}
        assert f"t1/point/{point.point_id}" in census.temporary
