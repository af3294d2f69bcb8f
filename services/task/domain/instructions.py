"""Whom the running step waits for, and what it is told: pure, from the task's record alone.

A command can therefore be said again at any time: the same step gives the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from contracts.base import Message
from contracts.layout import TargetLayout
from contracts.messages import agent, certificate_issuer, identity, target_provisioner
from contracts.messages.cutover import CutOver, ReleaseSource
from contracts.messages.network import CheckNetwork
from contracts.messages.target_provisioner import DiskRequest
from contracts.task_settings import ConfigurationKey
from services.task.domain.configuration import agent_limits_of, folders_of
from services.task.domain.kernel_needs import kernel_needs
from services.task.domain.phases import SOURCE_IS_BUSY, Leg, Step
from services.task.domain.task import Task


@dataclass(frozen=True)
class ServiceCommand:
    """A command to another service, published with the task's state."""

    service: str
    verb: str
    message: Message


@dataclass(frozen=True)
class AddressedCommand:
    """A command to one agent, repeated until the agent has acknowledged it. takes_s: how long it may well take, beyond
    the usual, where it is not waited for for ever."""

    agent_id: str
    message: agent.AgentCommand
    takes_s: float = 0.0


def service_command(task: Task) -> ServiceCommand | None:
    """What the running step asks of another service, None if it waits for an agent."""
    build = _SERVICE_COMMANDS.get(task.step) if task.step else None
    return build(task) if build else None


def farewell(task: Task) -> ServiceCommand | None:
    """What is said besides, and not waited for: the target agent of a task that ends is refused from now on."""
    if task.step is not Step.DESTROY_AUTHORITY or task.helper is None:
        return None
    message = identity.RefuseAgent(agent_id=task.helper.agent_id, reason=f"task {task.id} has ended")
    return ServiceCommand("identity", "refuse-agent", message)


def agent_command(task: Task) -> AddressedCommand | None:
    """What the running step asks of an agent, None if it waits for a service or rests."""
    build = _AGENT_COMMANDS.get(task.step) if task.step else None
    return build(task) if build else None


def renewal_request_id(task: Task, role: agent.AgentRole) -> str:
    """Identifies the newest renewal of an end's certificate."""
    return f"{task.id}:renew-{role}:{task.channel.renewals}"


def renewal_commands(task: Task) -> tuple[ServiceCommand, ...]:
    """Ask for new certificates for the same keys."""
    csr_pems: tuple[tuple[agent.AgentRole, str], ...] = (
        ("source", task.channel.source_csr_pem),
        ("target", task.channel.target_csr_pem),
    )
    return tuple(
        ServiceCommand(
            "certificate_issuer",
            "issue-certificate",
            certificate_issuer.IssueCertificate(
                task_id=task.id, role=role, csr_pem=csr_pem, request_id=renewal_request_id(task, role)
            ),
        )
        for role, csr_pem in csr_pems
    )


def renewed_certificates(task: Task) -> tuple[AddressedCommand, ...]:
    """Tell both agents the certificates that the task has now."""
    ends: tuple[tuple[str, agent.AgentRole], ...] = ((task.server_id, "source"), (_helper_id(task), "target"))
    return tuple(
        AddressedCommand(
            agent_id,
            agent.RenewCertificate(task_id=task.id, epoch=task.epoch, channel=_channel_end(task, role)),
        )
        for agent_id, role in ends
    )


def speed_command(task: Task) -> AddressedCommand | None:
    """Tell the source the limits that the task has now, None while it sends nothing."""
    if task.step not in SOURCE_IS_BUSY:
        return None
    message = agent.LimitSpeed(task_id=task.id, epoch=task.epoch, version=task.version, limits=task.speed_limits)
    return _to_source(task, message)


def is_source_step(step: Step) -> bool:
    """Whether the step is carried out by the source agent."""
    return step in _SOURCE_STEPS


def _provision(task: Task) -> ServiceCommand:
    expected: dict[str, int] = {}
    for volume in task.layout.volumes:
        expected[volume.target_disk] = expected.get(volume.target_disk, 0) + volume.estimated_bytes
    disks = tuple(
        DiskRequest(name=disk.name, size_bytes=disk.size_bytes, expected_bytes=expected.get(disk.name, 0))
        for disk in task.layout.disks
    )
    message = target_provisioner.ProvisionTarget(
        request_id=task.request_id,
        task_id=task.id,
        target_id=task.target.id,
        provider=task.target.provider,
        name=task.server_name,
        disks=disks,
        cpu_count=task.options.cpu_count,
        memory_bytes=task.options.memory_bytes,
        firmware=task.layout.firmware,
    )
    return ServiceCommand("target_provisioner", "provision", message)


def _boot_helper(task: Task) -> ServiceCommand:
    message = target_provisioner.BootHelper(
        request_id=task.request_id,
        task_id=task.id,
        target_id=task.target.id,
        has_answered=bool(task.channel.target_csr_pem),
        helper=task.options.helper,
        needs=kernel_needs(task.layout, task.inventory),
    )
    return ServiceCommand("target_provisioner", "boot-helper", message)


def _take_point(task: Task) -> ServiceCommand:
    message = target_provisioner.TakePoint(request_id=task.request_id, task_id=task.id, target_id=task.target.id)
    return ServiceCommand("target_provisioner", "take-point", message)


def _create_layer(task: Task) -> ServiceCommand:
    message = target_provisioner.CreateLaunchLayer(
        request_id=task.request_id, task_id=task.id, target_id=task.target.id, point_id=task.target.points[-1].id
    )
    return ServiceCommand("target_provisioner", "create-launch-layer", message)


def _launch(task: Task) -> ServiceCommand:
    message = target_provisioner.LaunchTarget(
        request_id=task.request_id,
        task_id=task.id,
        target_id=task.target.id,
        layer_id=task.target.layer_id,
        # Two live servers with one identity must not meet: the network opens with the cutover.
        is_isolated=not (task.is_cutting_over or task.is_cut_over),
        forwards=task.options.forwards,
        health_check=task.options.health_check,
    )
    return ServiceCommand("target_provisioner", "launch", message)


def _finish(task: Task) -> ServiceCommand:
    message = target_provisioner.FinishTarget(
        request_id=task.request_id,
        task_id=task.id,
        target_id=task.target.id,
        layer_id=task.target.launched_layer_id,
    )
    return ServiceCommand("target_provisioner", "finish", message)


def _release(task: Task) -> ServiceCommand:
    message = target_provisioner.ReleaseTarget(request_id=task.request_id, task_id=task.id, target_id=task.target.id)
    return ServiceCommand("target_provisioner", "release", message)


def _create_authority(task: Task) -> ServiceCommand:
    message = certificate_issuer.CreateAuthority(task_id=task.id)
    return ServiceCommand("certificate_issuer", "create-authority", message)


def _destroy_authority(task: Task) -> ServiceCommand:
    message = certificate_issuer.DestroyAuthority(task_id=task.id)
    return ServiceCommand("certificate_issuer", "destroy-authority", message)


def _issue(role: agent.AgentRole) -> Callable[[Task], ServiceCommand]:
    def build(task: Task) -> ServiceCommand:
        channel = task.channel
        message = certificate_issuer.IssueCertificate(
            task_id=task.id,
            role=role,
            csr_pem=channel.source_csr_pem if role == "source" else channel.target_csr_pem,
            request_id=task.request_id,
        )
        return ServiceCommand("certificate_issuer", "issue-certificate", message)

    return build


def _make_key(role: agent.AgentRole) -> Callable[[Task], AddressedCommand]:
    def build(task: Task) -> AddressedCommand:
        message = agent.MakeKey(task_id=task.id, epoch=task.epoch, role=role, account=task.account)
        return AddressedCommand(task.server_id if role == "source" else _helper_id(task), message)

    return build


def _prepare_target(task: Task) -> AddressedCommand:
    message = agent.PrepareTarget(
        task_id=task.id,
        epoch=task.epoch,
        layout=task.layout,
        disks=task.target.replica_disks,
        channel=_channel_end(task, "target"),
        generation=task.generation,
        is_formatted=task.target.is_formatted,
        listen_address=task.channel.listen_address,
        # A raw file keeps what its loop device was given; a layer's daemon may lose what it had not flushed.
        applied_survives_restart=all(disk.format == "raw" for disk in task.target.replica_disks),
    )
    return AddressedCommand(_helper_id(task), message)


def _open_channel(task: Task) -> AddressedCommand:
    """The helper listens as for a copy, with no disk behind it: nothing can be written."""
    message = agent.PrepareTarget(
        task_id=task.id,
        epoch=task.epoch,
        layout=TargetLayout(firmware=task.layout.firmware, disks=(), volumes=()),
        disks=(),
        channel=_channel_end(task, "target"),
        generation=f"{task.id}:measuring",
        is_formatted=True,
        listen_address=task.channel.listen_address,
    )
    return AddressedCommand(_helper_id(task), message)


def _check_network(task: Task) -> AddressedCommand:
    message = CheckNetwork(
        task_id=task.id,
        epoch=task.epoch,
        endpoints=_endpoints(task),
        channel=_channel_end(task, "source"),
        limits=task.speed_limits,
    )
    return _to_source(task, message)


def _copy(task: Task) -> AddressedCommand:
    return _to_source(task, agent.CopyVolumes(**_transfer(task)))


def _sync(task: Task) -> AddressedCommand:
    fields = _transfer(task, also_excluded=ConfigurationKey.SYNC_EXCLUDE_DIR, only=ConfigurationKey.ONLY_SYNC_DIR)
    if task.leg is not Leg.CUTTING_OVER:
        round_ = agent.SyncVolumes(**fields, round_number=task.round_number, is_continuous=task.is_following)
        return _to_source(task, round_)
    settings = task.cutover_settings
    # An agent that does not know these commands must refuse them, not leave them out.
    if settings.touches_source:
        wanted = {name: getattr(settings, name) for name in type(settings).model_fields}
        return _to_source(task, CutOver(**fields, round_number=task.round_number, is_final=True, **wanted))
    return _to_source(task, agent.SyncVolumes(**fields, round_number=task.round_number, is_final=True))


def _verify(task: Task) -> AddressedCommand:
    wish = task.verification_wish
    fields = _transfer(task, only=ConfigurationKey.CONSISTENCY_DIR)
    message = agent.VerifyVolumes(**fields, mode=wish.mode, seed=wish.seed, sample_percent=wish.sample_percent)
    return _to_source(task, message)


def _to_source(task: Task, message: agent.AgentCommand) -> AddressedCommand:
    return AddressedCommand(task.server_id, message)


def _transfer(
    task: Task, *, also_excluded: ConfigurationKey | None = None, only: ConfigurationKey | None = None
) -> dict[str, Any]:
    """The fields of every TransferCommand."""
    excluded = [ConfigurationKey.MIGRATE_EXCLUDE_DIR, *((also_excluded,) if also_excluded else ())]
    return {
        "task_id": task.id,
        "epoch": task.epoch,
        "volumes": task.layout.volumes,
        "endpoints": _endpoints(task),
        "channel": _channel_end(task, "source"),
        "generation": task.generation,
        "excludes": (*task.options.excludes, *folders_of(task.configuration, *excluded)),
        "rate_limit_bit_s": task.options.rate_limit_bit_s,
        "speed_limits": task.speed_periods,
        "only_paths": folders_of(task.configuration, only) if only else (),
        "priority": task.priority,
        "limits": agent_limits_of(task.configuration),
    }


def _detach(task: Task) -> AddressedCommand:
    return AddressedCommand(_helper_id(task), agent.DetachReplica(task_id=task.id, epoch=task.epoch))


def _on_layer(command: type[agent.PlanAdaptation | agent.AdaptLayer]) -> Callable[[Task], AddressedCommand]:
    def build(task: Task) -> AddressedCommand:
        message = command(
            task_id=task.id,
            epoch=task.epoch,
            layout=task.layout,
            disks=task.target.layer_disks,
            inventory=task.inventory,
            target_facts=task.target_facts,
        )
        return AddressedCommand(_helper_id(task), message)

    return build


def _stop_source(task: Task) -> AddressedCommand:
    return _to_source(task, agent.StopWork(task_id=task.id, epoch=task.epoch))


def _release_source(task: Task) -> AddressedCommand:
    message = ReleaseSource(task_id=task.id, epoch=task.epoch, outcome="launched")
    takes_s = sum(command.timeout_s for command in task.cutover_settings.after)
    return AddressedCommand(task.server_id, message, takes_s)


def _forget_source(task: Task) -> AddressedCommand:
    return _to_source(task, agent.ForgetTask(task_id=task.id, epoch=task.epoch))


def _helper_id(task: Task) -> str:
    if task.helper is None:
        raise ValueError("the task has no helper yet")
    return task.helper.agent_id


def _endpoints(task: Task) -> tuple[tuple[str, int], ...]:
    return tuple((address, task.channel.port) for address in task.channel.addresses)


def _channel_end(task: Task, role: agent.AgentRole) -> agent.ChannelEnd:
    certificate = task.channel.source if role == "source" else task.channel.target
    if certificate is None:
        raise ValueError(f"the {role} has no certificate yet")
    return agent.ChannelEnd(certificate_pem=certificate.pem, authority_pem=task.channel.authority_pem)


_SERVICE_COMMANDS: Final[dict[Step, Callable[[Task], ServiceCommand]]] = {
    Step.PROVISION: _provision,
    Step.BOOT_HELPER: _boot_helper,
    Step.CREATE_AUTHORITY: _create_authority,
    Step.SOURCE_CERTIFICATE: _issue("source"),
    Step.TARGET_CERTIFICATE: _issue("target"),
    Step.TAKE_POINT: _take_point,
    Step.CREATE_LAYER: _create_layer,
    Step.LAUNCH: _launch,
    Step.FINISH: _finish,
    Step.RELEASE: _release,
    Step.DESTROY_AUTHORITY: _destroy_authority,
}
_AGENT_COMMANDS: Final[dict[Step, Callable[[Task], AddressedCommand]]] = {
    Step.SOURCE_KEY: _make_key("source"),
    Step.TARGET_KEY: _make_key("target"),
    Step.PREPARE_TARGET: _prepare_target,
    Step.OPEN_CHANNEL: _open_channel,
    Step.CHECK_NETWORK: _check_network,
    Step.COPY: _copy,
    Step.SYNC: _sync,
    Step.VERIFY: _verify,
    Step.DETACH: _detach,
    Step.PLAN: _on_layer(agent.PlanAdaptation),
    Step.ADAPT: _on_layer(agent.AdaptLayer),
    Step.STOP_SOURCE: _stop_source,
    Step.RELEASE_SOURCE: _release_source,
    Step.FORGET_SOURCE: _forget_source,
}
_SOURCE_STEPS: Final = frozenset(
    {
        Step.SOURCE_KEY,
        Step.CHECK_NETWORK,
        Step.COPY,
        Step.SYNC,
        Step.VERIFY,
        Step.STOP_SOURCE,
        Step.RELEASE_SOURCE,
        Step.FORGET_SOURCE,
    }
)
