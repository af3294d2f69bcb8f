"""Target servers, volumes, points and launch layers: commands of the task service, facts that answer them.

Every command carries a request_id (``task:step:attempt``): repeated, it answers with the same event and has no
second effect. Every refusal is a ProvisioningFailed with the request_id of the command.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from contracts.adaptation import TargetFacts
from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure
from contracts.inventory import Firmware, SourceInventory
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.rehearsal import RehearsalReport


class DiskRequest(Model):
    """A disk to create. expected_bytes: what the copy will write into it."""

    name: str
    size_bytes: int
    expected_bytes: int = 0


class HealthCheck(Model):
    """When a launched target counts as healthy. The console must reach a login; then, if tcp_port is set, it must
    answer, with HTTP 200 on http_path if that is set. timeout_s for all together."""

    tcp_port: int | None = None
    http_path: str = ""
    timeout_s: int = 300


class PortForward(Model):
    """A port of the target that is reachable on the host at 127.0.0.1:host_port (0: any free port)."""

    target_port: int
    host_port: int = 0


class TargetMachine(Model):
    """A launched target. console_path: a log file of its serial console."""

    layer_id: str
    console_path: str
    ports: tuple[PortForward, ...] = ()
    is_isolated: bool = True
    process_id: int = 0


class ProvisionerCommand(Message):
    """What every command carries. target_id equals the task's id unless an existing target is adopted."""

    KIND: ClassVar[MessageKind] = "command"
    request_id: str
    task_id: str
    target_id: str


class ProvisionTarget(ProvisionerCommand):
    """Create the target's disks (layer 0 of the replica)."""

    TYPE: ClassVar[str] = "sms.target.provision"
    provider: str = "local"
    name: str = ""
    disks: tuple[DiskRequest, ...]
    cpu_count: int = 2
    memory_bytes: int = 1 << 30
    firmware: Firmware = "BIOS"


class BootHelper(ProvisionerCommand):
    """Attach the temporary volume (a new one if the last was lost) and boot the helper with the target agent.

    volume_size_bytes: 40 GB in the cost model. has_answered: the target agent has enrolled, so a helper that runs
    with its volume intact is left as it is; otherwise it is started anew with a fresh token. helper: what it is to be,
    a process on the provider's host or a machine of its own; "auto" leaves it to the provider. needs: what the plan
    needs of the helper: names of file systems, lvm (its programs), device-mapper, xfs-v4 (without checksums), vsyscall
    (for old user lands).
    """

    TYPE: ClassVar[str] = "sms.target.boot-helper"
    has_answered: bool = False
    volume_size_bytes: int = 40 * 10**9
    helper: Literal["auto", "process", "vm"] = "auto"
    needs: tuple[str, ...] = ()


class TakePoint(ProvisionerCommand):
    """Freeze the state of all replica disks; the helper has detached them."""

    TYPE: ClassVar[str] = "sms.target.take-point"


class CreateLaunchLayer(ProvisionerCommand):
    """A copy-on-write layer over a point. identity: of what it is for."""

    TYPE: ClassVar[str] = "sms.target.create-launch-layer"
    point_id: str


class LaunchTarget(ProvisionerCommand):
    """Start the target from an adapted layer and wait for its health; an earlier machine of the target is
    stopped and its layer removed first. is_isolated: no network but the forwarded ports."""

    TYPE: ClassVar[str] = "sms.target.launch"
    layer_id: str
    is_isolated: bool = True
    forwards: tuple[PortForward, ...] = ()
    health_check: HealthCheck = HealthCheck()


class RehearseTarget(ProvisionerCommand):
    """Adapt and boot a throw-away layer over a point, without a network, while everything else goes on.

    timeout_s: from the machine's start to the report of the system on itself. helper, needs: where it is adapted, see
    BootHelper.
    """

    TYPE: ClassVar[str] = "sms.target.rehearse"
    point_id: str
    layout: TargetLayout
    inventory: SourceInventory
    target_facts: TargetFacts
    timeout_s: int = 300
    helper: Literal["auto", "process", "vm"] = "auto"
    needs: tuple[str, ...] = ()


class FinishTarget(ProvisionerCommand):
    """Make the launched layer self-contained, and release everything temporary: helper, volume, points.

    A running machine runs on, from the flattened disks; without keep_running it is powered down before. Without any
    launched layer only the replica stays.
    """

    TYPE: ClassVar[str] = "sms.target.finish"
    layer_id: str = ""
    keep_running: bool = True


class ReleaseTarget(ProvisionerCommand):
    """Delete the target with its copy, and everything temporary."""

    TYPE: ClassVar[str] = "sms.target.release"


class ProvisionerEvent(Message):
    """What every answering event carries."""

    KIND: ClassVar[MessageKind] = "event"
    request_id: str
    task_id: str
    target_id: str


class TargetProvisioned(ProvisionerEvent):
    """Event ``target.<id>.provisioned``."""

    TYPE: ClassVar[str] = "sms.target.provisioned"
    replica_disks: tuple[AttachedDisk, ...]


class HelperStarted(ProvisionerEvent):
    """Event ``target.<id>.helper-started``. agent_id: whom the target agent enrols as. endpoints: addresses at
    which a source reaches the helper, best first, without a port. volume_attached_at: when this volume was made;
    None from a provisioner that did not say it yet. helper: what it is."""

    TYPE: ClassVar[str] = "sms.target.helper-started"
    agent_id: str
    addresses: tuple[str, ...]
    volume_id: str
    listen_address: str = "127.0.0.1"
    volume_attached_at: datetime | None = None
    volume_size_bytes: int = 40 * 10**9
    helper: Literal["process", "vm"] = "process"


class PointTaken(ProvisionerEvent):
    """Event ``target.<id>.point-taken``. replica_disks: the new top layers that further rounds write into.

    dropped_points: ids of older points that were merged to keep the chain short; they cannot be launched any more.
    """

    TYPE: ClassVar[str] = "sms.target.point-taken"
    point_id: str
    taken_at: datetime
    replica_disks: tuple[AttachedDisk, ...]
    layers: int = 1
    dropped_points: tuple[str, ...] = ()


class LaunchLayerCreated(ProvisionerEvent):
    """Event ``target.<id>.launch-layer-created``."""

    TYPE: ClassVar[str] = "sms.target.launch-layer-created"
    layer_id: str
    point_id: str
    disks: tuple[AttachedDisk, ...]


class TargetLaunched(ProvisionerEvent):
    """Event ``target.<id>.launched``: booted and healthy."""

    TYPE: ClassVar[str] = "sms.target.launched"
    machine: TargetMachine
    boot_seconds: float


class TargetRehearsed(ProvisionerEvent):
    """Event ``target.<id>.rehearsed``: the layer is gone again, and point and replica are as they were."""

    TYPE: ClassVar[str] = "sms.target.rehearsed"
    report: RehearsalReport


class TargetFinished(ProvisionerEvent):
    """Event ``target.<id>.finished``: nothing temporary is left. disks and replica_disks are raw and self-contained.
    machine: the one that runs on; None when none does. released_at: when the temporary volume was gone."""

    TYPE: ClassVar[str] = "sms.target.finished"
    disks: tuple[AttachedDisk, ...]
    machine: TargetMachine | None = None
    replica_disks: tuple[AttachedDisk, ...] = ()
    released_at: datetime | None = None


class TargetReleased(ProvisionerEvent):
    """Event ``target.<id>.released``: nothing of it is left. released_at: since when."""

    TYPE: ClassVar[str] = "sms.target.released"
    released_at: datetime | None = None


class ProvisioningFailed(ProvisionerEvent):
    """Event ``target.<id>.failed``: the command with this request_id ended with a failure; a launch that failed
    has left point and replica as they were."""

    TYPE: ClassVar[str] = "sms.target.failed"
    step: str
    failure: Failure


class VolumeLost(ProvisionerEvent):
    """Event ``target.<id>.volume-lost``: the temporary volume is gone or is not the one that was made. lost_at:
    when that was seen."""

    TYPE: ClassVar[str] = "sms.target.volume-lost"
    volume_id: str
    failure: Failure
    lost_at: datetime | None = None


class ShowTarget(Message):
    """Request ``target_provisioner.show``."""

    TYPE: ClassVar[str] = "sms.target.show"
    KIND: ClassVar[MessageKind] = "request"
    target_id: str


class PointView(Model):
    """A point of a target."""

    id: str
    taken_at: datetime
    layers: int


class TargetDetails(Message):
    """What exists for a target now. state: provisioned, launched, finished, released."""

    TYPE: ClassVar[str] = "sms.target.details"
    KIND: ClassVar[MessageKind] = "reply"
    target_id: str
    state: Literal["provisioned", "launched", "finished", "released"]
    provider: str
    disks: tuple[AttachedDisk, ...] = ()
    replica_disks: tuple[AttachedDisk, ...] = ()
    machine: TargetMachine | None = None
    points: tuple[PointView, ...] = ()
    volume_id: str = ""
    helper_agent_id: str = ""


class CensusRequest(Message):
    """Request ``target_provisioner.census``: what of the provider's things exists, owned or not."""

    TYPE: ClassVar[str] = "sms.target.census-request"
    KIND: ClassVar[MessageKind] = "request"


class Census(Message):
    """Names of everything that exists: disks, volumes, helpers, machines, layers. temporary: what must be gone
    after a finish."""

    TYPE: ClassVar[str] = "sms.target.census"
    KIND: ClassVar[MessageKind] = "reply"
    kept: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
