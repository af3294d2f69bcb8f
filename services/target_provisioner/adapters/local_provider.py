"""The local provider: QEMU machines on one host, through its host agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TypeVar

from contracts.base import Message
from contracts.errors import MigrationError
from contracts.errors.platform import BUS_UNAVAILABLE, SERVICE_UNAVAILABLE
from contracts.errors.target import TARGET_HOST_UNAVAILABLE
from contracts.messages import host
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import DiskRequest, HealthCheck
from contracts.rehearsal import RehearsalReport
from contracts.subjects import host as host_subject
from services.target_provisioner.domain.provider import (
    FrozenDisks,
    HelperOrder,
    HelperState,
    MachineOrder,
    MachineState,
    ProviderCensus,
    RehearsalRequest,
)
from shared.bus import ServiceBus
from shared.telemetry import log

Reply = TypeVar("Reply", bound=Message)
_AWAY = frozenset({SERVICE_UNAVAILABLE.code, BUS_UNAVAILABLE.code})
_PAUSE_S = 0.5


class LocalProvider:
    """TargetProvider by way of the host agent; patience_s: how long that one may be away."""

    def __init__(self, bus: ServiceBus, *, request_timeout_s: float, patience_s: float) -> None:
        self._bus = bus
        self._request_timeout_s = request_timeout_s
        self._patience_s = patience_s

    async def create_disks(self, target_id: str, disks: Sequence[DiskRequest]) -> tuple[AttachedDisk, ...]:
        """See TargetProvider."""
        request = host.CreateDisks(target_id=target_id, disks=tuple(disks))
        return (await self._ask("create-disks", request, host.HostDisks)).disks

    async def boot_helper(self, target_id: str, order: HelperOrder) -> HelperState:
        """See TargetProvider."""
        request = host.BootHostHelper(
            target_id=target_id,
            task_id=order.task_id,
            volume_id=order.volume_id,
            volume_size_bytes=order.volume_size_bytes,
            token_id=order.token_id,
            secret=order.token_secret,
            agent_id=order.agent_id,
            account=order.account,
            helper=order.helper,
            needs=order.needs,
        )
        return _helper_state(await self._ask("boot-helper", request, host.HostHelper))

    async def helper_state(self, target_id: str) -> HelperState:
        """See TargetProvider."""
        return _helper_state(await self._ask("show-helper", host.ShowHostHelper(target_id=target_id), host.HostHelper))

    async def stop_helper(self, target_id: str, *, release_volume: bool) -> None:
        """See TargetProvider."""
        request = host.StopHostHelper(target_id=target_id, release_volume=release_volume)
        await self._ask("stop-helper", request, host.HostDone)

    async def take_point(self, target_id: str, point_id: str) -> FrozenDisks:
        """See TargetProvider."""
        request = host.TakeHostPoint(target_id=target_id, point_id=point_id)
        reply = await self._ask("take-point", request, host.HostDisks)
        return FrozenDisks(disks=reply.disks, layers=reply.layers, dropped_points=reply.dropped_points)

    async def create_layer(self, target_id: str, *, layer_id: str, point_id: str) -> tuple[AttachedDisk, ...]:
        """See TargetProvider."""
        request = host.CreateHostLayer(target_id=target_id, layer_id=layer_id, point_id=point_id)
        return (await self._ask("create-layer", request, host.HostDisks)).disks

    async def delete_layer(self, target_id: str, layer_id: str) -> None:
        """See TargetProvider."""
        request = host.DeleteHostLayer(target_id=target_id, layer_id=layer_id)
        await self._ask("delete-layer", request, host.HostDone)

    async def launch(self, target_id: str, order: MachineOrder) -> MachineState:
        """See TargetProvider."""
        request = host.LaunchHostMachine(target_id=target_id, **dict(order))
        return _machine_state(await self._ask("launch", request, host.HostMachine))

    async def machine_state(self, target_id: str, layer_id: str, check: HealthCheck) -> MachineState:
        """See TargetProvider."""
        request = host.ShowHostMachine(
            target_id=target_id, layer_id=layer_id, tcp_port=check.tcp_port, http_path=check.http_path
        )
        return _machine_state(await self._ask("show-machine", request, host.HostMachine))

    async def begin_rehearsal(self, target_id: str, request: RehearsalRequest) -> None:
        """See TargetProvider."""
        message = host.RehearseHostPoint(target_id=target_id, **dict(request))
        await self._ask("rehearse", message, host.HostRehearsal)

    async def rehearsal_report(self, target_id: str, rehearsal_id: str) -> RehearsalReport | None:
        """See TargetProvider."""
        request = host.ShowHostRehearsal(target_id=target_id, rehearsal_id=rehearsal_id)
        return (await self._ask("show-rehearsal", request, host.HostRehearsal)).report

    async def end_rehearsal(self, target_id: str, rehearsal_id: str) -> None:
        """See TargetProvider."""
        request = host.EndHostRehearsal(target_id=target_id, rehearsal_id=rehearsal_id)
        await self._ask("end-rehearsal", request, host.HostDone)

    async def stop_machines(self, target_id: str, *, timeout_s: int) -> None:
        """See TargetProvider."""
        request = host.StopHostMachine(target_id=target_id, timeout_s=timeout_s)
        await self._ask("stop-machine", request, host.HostDone)

    async def flatten(self, target_id: str, layer_id: str) -> tuple[AttachedDisk, ...]:
        """See TargetProvider."""
        request = host.FlattenHostLayer(target_id=target_id, layer_id=layer_id)
        return (await self._ask("flatten", request, host.HostDisks)).disks

    async def release(self, target_id: str, *, only_temporary: bool) -> None:
        """See TargetProvider."""
        request = host.ReleaseHostTarget(target_id=target_id, only_temporary=only_temporary)
        await self._ask("release", request, host.HostDone)

    async def census(self) -> ProviderCensus:
        """See TargetProvider."""
        reply = await self._ask("census", host.HostCensusRequest(), host.HostCensus)
        return ProviderCensus(kept=reply.kept, temporary=reply.temporary)

    async def _ask(self, verb: str, request: Message, model: type[Reply]) -> Reply:
        """Ask until the work is done. An agent that is away (killed, being started again) is waited for."""
        away_since: float | None = None
        while True:
            try:
                reply = await self._bus.request(
                    host_subject(verb), request, (model, host.HostWorking), self._request_timeout_s
                )
            except MigrationError as error:
                if error.code not in _AWAY:
                    raise
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > self._patience_s:
                    raise MigrationError(TARGET_HOST_UNAVAILABLE, verb=verb, timeout_s=self._patience_s) from error
                await asyncio.sleep(_PAUSE_S)
                continue
            if isinstance(reply, model):
                return reply
            away_since = None
            if isinstance(reply, host.HostWorking) and reply.total_bytes:
                log("host works", verb=verb, done_bytes=reply.done_bytes, total_bytes=reply.total_bytes)


def _helper_state(reply: host.HostHelper) -> HelperState:
    finding = "" if reply.is_volume_intact else reply.cause or "it is not what it was"
    return HelperState(
        is_running=reply.is_running,
        volume_id=reply.volume_id,
        finding=finding,
        addresses=reply.addresses,
        listen_address=reply.listen_address,
        helper=reply.helper,
    )


def _machine_state(reply: host.HostMachine) -> MachineState:
    return MachineState.model_validate({**reply.model_dump(), "console_line": reply.console_tail})
