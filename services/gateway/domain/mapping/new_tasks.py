"""From the wire's bodies to what the task service is asked. What this version cannot do is refused, not dropped."""

from __future__ import annotations

from typing import Final

from contracts.errors import MigrationError
from contracts.errors.task_settings import TASK_NOT_OFFERED
from contracts.messages.migration_project import MigrationChoices
from contracts.messages.task import CreateTask, TaskOptions
from contracts.messages.task_settings import UpdateTask
from contracts.task_settings import TaskAttributes, WishedDisk, WishedVolume
from services.gateway.domain.wire.tasks import PostTask, PutTaskReq, TargetDisks, TargetServerByTask

_MBIT: Final = 1_000_000
_NEW_TARGET: Final = "Leave vm_id empty and exist_server false: a target is made for the task."
_BY_THE_SERVICE: Final = "Leave it out: the service keeps these ids itself."


def create_task(body: PostTask, *, idempotency_key: str) -> CreateTask:
    """Raises MigrationError SMS.TASK.NOT_OFFERED."""
    _refuse(
        {
            "Windows sources": (body.os_type == "WINDOWS", "Use os_type LINUX."),
            "a server that exists as target": (
                bool(body.exist_server or body.target_server.vm_id),
                _NEW_TARGET,
            ),
            "continuous synchronisation (syncing)": (
                bool(body.syncing),
                "Leave syncing out, and ask for rounds by the operation sync.",
            ),
            "a migration without a launch (start_target_server false)": (
                body.start_target_server is False,
                "Leave it out: the target runs on an isolated network until the cutover.",
            ),
            "a rehearsal of its own (need_migration_test)": (
                bool(body.need_migration_test),
                "Leave it out: the first launch is on an isolated network and disturbs nobody.",
            ),
            "clones (clonevm_template_id)": (bool(body.clonevm_template_id), "Leave it out."),
        }
    )
    return CreateTask(
        idempotency_key=idempotency_key,
        server_id=body.source_server.id,
        migration_type="file" if body.type == "MIGRATE_FILE" else "block",
        options=TaskOptions(rate_limit_bit_s=None if body.speed_limit is None else body.speed_limit * _MBIT),
        template_id=body.vm_template_id or "",
        project_id=body.migproject_id or "",
        choices=_choices(body),
        name=body.name,
        priority=1 if body.priority is None else body.priority,
        over_speed_percent=body.over_speed_threshold,
        checks_consistency=bool(body.is_need_consistency_check),
        wished_disks=_wished(body.target_server),
        attributes=_attributes(body, os_type=body.os_type, target_name=body.target_server.name or ""),
        starts_at_once=bool(body.auto_start),
    )


def update_task(task_id: str, body: PutTaskReq, *, idempotency_key: str) -> UpdateTask:
    """Raises MigrationError SMS.TASK.NOT_OFFERED."""
    target = body.target_server
    _refuse(
        {
            "block-level migration": (body.type == "MIGRATE_BLOCK", "Leave type out, or use MIGRATE_FILE."),
            "a server that exists as target": (bool(body.exist_server), _NEW_TARGET),
            "another template for a task that exists": (
                bool(body.vm_template_id),
                "Delete the task and create it with this template.",
            ),
            "another layout for a task that exists": (
                bool(target and target.disks),
                "Delete the task and create it with these disks.",
            ),
            "setting image_disk_id": (bool(body.image_disk_id), _BY_THE_SERVICE),
            "setting target_disk_ids": (bool(body.target_disk_ids), _BY_THE_SERVICE),
            "setting snapshot_ids": (bool(body.snapshot_ids), _BY_THE_SERVICE),
            "setting cutovered_snapshot_ids": (bool(body.cutovered_snapshot_ids), _BY_THE_SERVICE),
        }
    )
    attributes = _attributes(
        body,
        enterprise_project_id=body.enterprise_project or "",
        target_name=(target.name if target else None) or "",
    )
    return UpdateTask(
        idempotency_key=idempotency_key,
        task_id=task_id,
        name=body.name,
        priority=body.priority,
        rate_limit_bit_s=None if body.speed_limit is None else body.speed_limit * _MBIT,
        checks_consistency=body.is_need_consistency_check,
        attributes=attributes if attributes != TaskAttributes() else None,
    )


def _choices(body: PostTask) -> MigrationChoices | None:
    """None when the body says nothing of them: then the project's hold."""
    if body.use_public_ip is None and body.start_network_check is None:
        return None
    return MigrationChoices(
        uses_public_address=body.use_public_ip is not False, checks_network=bool(body.start_network_check)
    )


def _attributes(body: PostTask | PutTaskReq, **others: str) -> TaskAttributes:
    return TaskAttributes(
        region_id=body.region_id or "",
        region_name=body.region_name or "",
        project_id=body.project_id or "",
        project_name=body.project_name or "",
        migration_ip=body.migration_ip or "",
        uses_ipv6=bool(body.use_ipv6),
        **others,
    )


def _wished(target: TargetServerByTask) -> tuple[WishedDisk, ...]:
    return tuple(_wish(disk, number) for number, disk in enumerate(target.disks or ()))


def _wish(disk: TargetDisks, number: int) -> WishedDisk:
    volumes = tuple(
        WishedVolume(name=volume.name, size_bytes=volume.size)
        for volume in disk.physical_volumes or ()
        if volume.name and volume.size
    )
    return WishedDisk(name=disk.name or f"disk {number}", size_bytes=disk.size or None, volumes=volumes)


def _refuse(wishes: dict[str, tuple[bool, str]]) -> None:
    for what, (is_wished, instead) in wishes.items():
        if is_wished:
            raise MigrationError(TASK_NOT_OFFERED, what=what, instead=instead)
