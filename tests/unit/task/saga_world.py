"""A small layout and the answers of a world that always succeeds, for tests of the saga."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.inventory import OperatingSystem, SourceInventory
from contracts.layout import CopyVolume, TargetDisk, TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import PointView, TargetMachine
from services.task.domain.phases import Step
from services.task.domain.saga import Cause
from services.task.domain.task import Certificate, Helper, Target, Task

START = datetime(2026, 1, 1, tzinfo=UTC)


def new_task() -> Task:
    inventory = SourceInventory(
        hostname="web-1", architecture="x86_64", firmware="BIOS", operating_system=OperatingSystem(id="debian")
    )
    volume = CopyVolume(index=0, mount_point="/", source_path="/", target_disk="vda", target_partition=1, kind="ext4")
    layout = TargetLayout(
        firmware="BIOS", disks=(TargetDisk(name="vda", size_bytes=1 << 30, table="mbr"),), volumes=(volume,)
    )
    return Task(
        id="t1",
        account="default",
        server_id="s1",
        layout=layout,
        inventory=inventory,
        created_at=START,
        target=Target(id="t1"),
    )


def cause(minutes: float = 0, event: str = "test") -> Cause:
    return Cause(event=event, actor="tester", at=START + timedelta(minutes=minutes))


def learned(task: Task, at: datetime) -> dict[str, Any]:
    """What the running step's successful answer teaches."""
    certificate = Certificate(pem="pem", not_after=at + timedelta(hours=1))
    match task.step:
        case Step.PROVISION:
            disks = (AttachedDisk(name="vda", path="/d/vda.raw"),)
            return {"target": task.target.model_copy(update={"replica_disks": disks})}
        case Step.BOOT_HELPER:
            return {"helper": Helper(agent_id="h1", volume_id="v1")}
        case Step.SOURCE_CERTIFICATE:
            return {"channel": task.channel.model_copy(update={"source": certificate})}
        case Step.TARGET_CERTIFICATE:
            return {"channel": task.channel.model_copy(update={"target": certificate})}
        case Step.PREPARE_TARGET:
            return {"target": task.target.model_copy(update={"is_formatted": True})}
        case Step.TAKE_POINT:
            points = (*task.target.points, PointView(id=f"p{len(task.target.points)}", taken_at=at, layers=1))
            return {"target": task.target.model_copy(update={"points": points})}
        case Step.CREATE_LAYER:
            return {"target": task.target.model_copy(update={"layer_id": f"l{task.epoch}"})}
        case Step.LAUNCH:
            machine = TargetMachine(layer_id=task.target.layer_id, console_path="/c")
            return {"target": task.target.model_copy(update={"machine": machine})}
        case _:
            return {}
