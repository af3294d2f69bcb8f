"""What each command does at the provider, and the record and the event that follow; saving is the handlers' part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.target import TARGET_UNKNOWN
from contracts.messages.target_provisioner import (
    BootHelper,
    CreateLaunchLayer,
    FinishTarget,
    HealthCheck,
    HelperStarted,
    LaunchLayerCreated,
    LaunchTarget,
    PointTaken,
    PortForward,
    ProvisionerCommand,
    ProvisionerEvent,
    ProvisionTarget,
    RehearseTarget,
    ReleaseTarget,
    TakePoint,
    TargetFinished,
    TargetMachine,
    TargetProvisioned,
    TargetReleased,
)
from services.target_provisioner.domain.ports import Clock, EnrolmentTokens, TargetProvider
from services.target_provisioner.domain.provider import (
    HelperOrder,
    HelperState,
    MachineOrder,
    MachineState,
    RehearsalRequest,
)
from services.target_provisioner.domain.target import (
    Launching,
    Layer,
    Rehearsing,
    Target,
    name_for,
    provisioned,
    released,
    with_point,
    without_machine,
    without_rehearsal,
)

Outcome = tuple[Target, ProvisionerEvent | None]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps of all commands. Each may be repeated after a kill at any moment: names come from the request."""

    providers: Mapping[str, TargetProvider]
    tokens: EnrolmentTokens
    clock: Clock
    machine_stop_timeout_s: int

    async def carry_out(self, command: ProvisionerCommand, target: Target | None, cause: Envelope) -> Outcome:
        """The new record, and the event; None while the outcome is still to come. Raises MigrationError."""
        if isinstance(command, ProvisionTarget):
            return await self._provision(command, target)
        if isinstance(command, ReleaseTarget):
            return await self._release(command, target)
        if target is None or target.state == "released":
            raise MigrationError(TARGET_UNKNOWN, kind="target", id=command.target_id, target_id=command.target_id)
        return await self._on_existing(command, target, cause)

    def provider(self, target: Target) -> TargetProvider:
        """The provider that has this target."""
        return self._named(target.provider)

    async def _on_existing(self, command: ProvisionerCommand, target: Target, cause: Envelope) -> Outcome:
        match command:
            case BootHelper():
                return await self._boot_helper(command, target, cause)
            case TakePoint():
                return await self._take_point(command, target)
            case CreateLaunchLayer():
                return await self._create_layer(command, target)
            case LaunchTarget():
                return await self._launch(command, target, cause)
            case RehearseTarget():
                return await self._rehearse(command, target, cause)
            case FinishTarget():
                return await self._finish(command, target)
            case _:
                raise TypeError(f"no step for {type(command).__name__}")

    async def _provision(self, command: ProvisionTarget, target: Target | None) -> Outcome:
        disks = await self._named(command.provider).create_disks(command.target_id, command.disks)
        event = TargetProvisioned(**_answering(command), replica_disks=disks)
        return provisioned(command, disks, target), event

    async def _boot_helper(self, command: BootHelper, target: Target, cause: Envelope) -> Outcome:
        provider = self.provider(target)
        state = await provider.helper_state(target.id)
        volume_id = target.volume_id
        is_intact = bool(volume_id) and not volume_finding(state, volume_id)
        if command.has_answered and state.is_running and is_intact:
            return target, HelperStarted(
                **_answering(command),
                agent_id=target.helper_agent_id,
                addresses=state.addresses,
                volume_id=volume_id,
                listen_address=state.listen_address,
                helper=state.helper,
                volume_attached_at=target.volume_attached_at,
                volume_size_bytes=target.volume_size_bytes or command.volume_size_bytes,
            )
        if not is_intact:
            volume_id = name_for("volume", command.request_id)
        if state.is_running:
            # It may hold a token that is void by now; one that has enrolled goes on with the key on its volume.
            await provider.stop_helper(target.id, release_volume=False)
        # One agent id per volume: the agent's key lies on it, so a new volume is a new agent.
        token = await self.tokens.issue(f"{target.id}:{volume_id}", command.task_id, cause)
        order = HelperOrder(
            task_id=command.task_id,
            account=cause.account,
            agent_id=token.agent_id,
            volume_id=volume_id,
            volume_size_bytes=command.volume_size_bytes,
            token_id=token.token_id,
            token_secret=token.secret,
            helper=command.helper,
            needs=command.needs,
        )
        state = await provider.boot_helper(target.id, order)
        size_bytes, attached_at = command.volume_size_bytes, self.clock()
        if is_intact:
            size_bytes, attached_at = target.volume_size_bytes or size_bytes, target.volume_attached_at or attached_at
        event = HelperStarted(
            **_answering(command),
            agent_id=token.agent_id,
            addresses=state.addresses,
            volume_id=volume_id,
            listen_address=state.listen_address,
            helper=state.helper,
            volume_attached_at=attached_at,
            volume_size_bytes=size_bytes,
        )
        changes = {
            "volume_id": volume_id,
            "volume_attached_at": attached_at,
            "volume_size_bytes": size_bytes,
            "has_helper": True,
            "helper_agent_id": token.agent_id,
        }
        return target.model_copy(update=changes), event

    async def _take_point(self, command: TakePoint, target: Target) -> Outcome:
        point_id = name_for("point", command.request_id)
        frozen = await self.provider(target).take_point(target.id, point_id)
        taken_at = self.clock()
        event = PointTaken(
            **_answering(command),
            point_id=point_id,
            taken_at=taken_at,
            replica_disks=frozen.disks,
            layers=frozen.layers,
            dropped_points=frozen.dropped_points,
        )
        new = with_point(
            target,
            point_id,
            taken_at=taken_at,
            disks=frozen.disks,
            layers=frozen.layers,
            dropped=frozen.dropped_points,
        )
        return new, event

    async def _create_layer(self, command: CreateLaunchLayer, target: Target) -> Outcome:
        layer_id = name_for("layer", command.request_id)
        disks = await self.provider(target).create_layer(target.id, layer_id=layer_id, point_id=command.point_id)
        event = LaunchLayerCreated(**_answering(command), layer_id=layer_id, point_id=command.point_id, disks=disks)
        layer = Layer(id=layer_id, point_id=command.point_id)
        others = tuple(known for known in target.layers if known.id != layer_id)
        return target.model_copy(update={"layers": (*others, layer)}), event

    async def _launch(self, command: LaunchTarget, target: Target, cause: Envelope) -> Outcome:
        provider = self.provider(target)
        if all(layer.id != command.layer_id for layer in target.layers):
            raise MigrationError(TARGET_UNKNOWN, kind="launch layer", id=command.layer_id, target_id=target.id)
        for layer in target.layers:
            if layer.id != command.layer_id:
                await provider.delete_layer(target.id, layer.id)
        disks = await provider.create_layer(
            target.id, layer_id=command.layer_id, point_id=_point_of(target, command.layer_id)
        )
        state = await provider.launch(
            target.id, _order(target, command.layer_id, is_isolated=command.is_isolated, forwards=_forwards(command))
        )
        new = target.model_copy(
            update={
                "layers": tuple(layer for layer in target.layers if layer.id == command.layer_id),
                "disks": disks,
                "machine": machine_of(state),
                "launching": Launching(command=command, correlation_id=cause.correlation_id, actor=cause.actor),
                "is_launching": True,
            }
        )
        return new, None

    async def _rehearse(self, command: RehearseTarget, target: Target, cause: Envelope) -> Outcome:
        provider = self.provider(target)
        rehearsal_id = name_for("rehearsal", command.request_id)
        if target.rehearsing is not None and target.rehearsing.id != rehearsal_id:
            await provider.end_rehearsal(target.id, target.rehearsing.id)
        request = RehearsalRequest(
            rehearsal_id=rehearsal_id,
            point_id=command.point_id,
            layout=command.layout,
            inventory=command.inventory,
            target_facts=command.target_facts,
            cpu_count=target.cpu_count,
            memory_bytes=target.memory_bytes,
            firmware=target.firmware,
            timeout_s=command.timeout_s,
            helper=command.helper,
            needs=command.needs,
        )
        await provider.begin_rehearsal(target.id, request)
        rehearsing = Rehearsing(
            id=rehearsal_id, command=command, correlation_id=cause.correlation_id, actor=cause.actor
        )
        return target.model_copy(update={"rehearsing": rehearsing, "is_rehearsing": True}), None

    async def _finish(self, command: FinishTarget, target: Target) -> Outcome:
        provider = self.provider(target)
        layer_id = command.layer_id or (target.machine.layer_id if target.machine is not None else "")
        disks = target.disks if target.state == "finished" else ()
        if not command.keep_running:
            await provider.stop_machines(target.id, timeout_s=self.machine_stop_timeout_s)
        if layer_id and not disks:
            disks = await provider.flatten(target.id, layer_id)
        await provider.release(target.id, only_temporary=True)
        released_at = self.clock()
        replica_disks = await provider.create_disks(target.id, target.requested_disks)
        machine = await _running_machine(provider, target, layer_id)
        new = without_rehearsal(without_machine(target, layer_id)).model_copy(
            update={
                "state": "finished",
                "disks": disks,
                "machine": machine,
                "replica_disks": replica_disks,
                "points": (),
                "layers": (),
                "volume_id": "",
                "volume_attached_at": None,
                "has_helper": False,
                "helper_agent_id": "",
            }
        )
        event = TargetFinished(
            **_answering(command),
            disks=disks,
            machine=machine,
            replica_disks=replica_disks,
            released_at=released_at,
        )
        return new, event

    async def _release(self, command: ReleaseTarget, target: Target | None) -> Outcome:
        known = target or Target(id=command.target_id, task_id=command.task_id)
        await self.provider(known).release(known.id, only_temporary=False)
        return released(known), TargetReleased(**_answering(command), released_at=self.clock())

    def _named(self, name: str) -> TargetProvider:
        if name not in self.providers:
            raise MigrationError(TARGET_UNKNOWN, kind="provider", id=name, target_id="-")
        return self.providers[name]


def volume_finding(state: HelperState, volume_id: str) -> str:
    """What is wrong with a recorded volume, by the provider's state; "" for nothing."""
    return state.finding or ("" if state.volume_id == volume_id else "it is not there any more")


def machine_of(state: MachineState) -> TargetMachine:
    """A machine as messages show it."""
    return TargetMachine(
        layer_id=state.layer_id,
        console_path=state.console_path,
        ports=state.ports,
        is_isolated=state.is_isolated,
        process_id=state.process_id,
    )


async def _running_machine(provider: TargetProvider, target: Target, layer_id: str) -> TargetMachine | None:
    """The machine that runs on after a finish; None when none does."""
    if target.machine is None or target.machine.layer_id != layer_id:
        return None
    try:
        state = await provider.machine_state(target.id, layer_id, HealthCheck())
    except MigrationError as error:
        if error.code == TARGET_UNKNOWN.code:
            return None
        raise
    return machine_of(state) if state.is_running else None


def _answering(command: ProvisionerCommand) -> dict[str, str]:
    return {"request_id": command.request_id, "task_id": command.task_id, "target_id": command.target_id}


def _forwards(command: LaunchTarget) -> tuple[PortForward, ...]:
    """What was asked for, and the port that the health check tries: it could not be reached otherwise."""
    port = command.health_check.tcp_port
    if port is None or any(forward.target_port == port for forward in command.forwards):
        return command.forwards
    return (*command.forwards, PortForward(target_port=port))


def _point_of(target: Target, layer_id: str) -> str:
    return next(layer.point_id for layer in target.layers if layer.id == layer_id)


def _order(target: Target, layer_id: str, *, is_isolated: bool, forwards: object) -> MachineOrder:
    return MachineOrder.model_validate(
        {
            "layer_id": layer_id,
            "cpu_count": target.cpu_count,
            "memory_bytes": target.memory_bytes,
            "firmware": target.firmware,
            "is_isolated": is_isolated,
            "forwards": forwards,
        }
    )
