"""Requests of the local provider to the host agent, the one process that needs root (``sms.v1.host.<verb>``).

Every request may be repeated: what exists already is found and reported, not made again.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from contracts.adaptation import TargetFacts
from contracts.base import Message, MessageKind
from contracts.inventory import Firmware, SourceInventory
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import DiskRequest, PortForward
from contracts.rehearsal import RehearsalReport


class HostRequest(Message):
    """What every request carries."""

    KIND: ClassVar[MessageKind] = "request"
    target_id: str


class CreateDisks(HostRequest):
    """Verb ``create-disks``."""

    TYPE: ClassVar[str] = "sms.host.create-disks"
    disks: tuple[DiskRequest, ...]


class HostDisks(Message):
    """Paths of disks, on the host. layers: length of the replica's chain. dropped_points: ids of older points
    that were merged to keep the chain short."""

    TYPE: ClassVar[str] = "sms.host.disks"
    KIND: ClassVar[MessageKind] = "reply"
    disks: tuple[AttachedDisk, ...]
    layers: int = 1
    dropped_points: tuple[str, ...] = ()


class BootHostHelper(HostRequest):
    """Verb ``boot-helper``: volume first, then the target agent's process.

    secret: the one-time enrolment token's; it goes through a pipe into the helper and nowhere else, or is given out
    once by the metadata service of a helper VM. helper, needs: see BootHelper.
    """

    TYPE: ClassVar[str] = "sms.host.boot-helper"
    task_id: str
    volume_id: str
    volume_size_bytes: int
    token_id: str
    secret: str
    agent_id: str
    account: str
    helper: Literal["auto", "process", "vm"] = "auto"
    needs: tuple[str, ...] = ()


class HostHelper(Message):
    """The helper's state. is_volume_intact: False when it is gone, changed or replaced; cause says which.

    addresses: where a source reaches the helper, best first. restarts: how often it died and was started again.
    """

    TYPE: ClassVar[str] = "sms.host.helper"
    KIND: ClassVar[MessageKind] = "reply"
    is_running: bool
    volume_id: str = ""
    is_volume_intact: bool = True
    cause: str = ""
    process_id: int = 0
    addresses: tuple[str, ...] = ()
    listen_address: str = "127.0.0.1"
    restarts: int = 0
    helper: Literal["process", "vm"] = "process"


class ShowHostHelper(HostRequest):
    """Verb ``show-helper``."""

    TYPE: ClassVar[str] = "sms.host.show-helper"


class StopHostHelper(HostRequest):
    """Verb ``stop-helper``: ends the process; release_volume removes the temporary volume too."""

    TYPE: ClassVar[str] = "sms.host.stop-helper"
    release_volume: bool = False


class TakeHostPoint(HostRequest):
    """Verb ``take-point``: freeze the top layers under this point id; answers HostDisks (the new tops)."""

    TYPE: ClassVar[str] = "sms.host.take-point"
    point_id: str


class CreateHostLayer(HostRequest):
    """Verb ``create-layer``: answers HostDisks."""

    TYPE: ClassVar[str] = "sms.host.create-layer"
    point_id: str
    layer_id: str


class DeleteHostLayer(HostRequest):
    """Verb ``delete-layer``; stops a machine that runs from it."""

    TYPE: ClassVar[str] = "sms.host.delete-layer"
    layer_id: str


class LaunchHostMachine(HostRequest):
    """Verb ``launch``: answers HostMachine as soon as the process runs; health is asked for by show-machine."""

    TYPE: ClassVar[str] = "sms.host.launch"
    layer_id: str
    cpu_count: int
    memory_bytes: int
    is_isolated: bool
    forwards: tuple[PortForward, ...] = ()
    firmware: Firmware = "BIOS"


class ShowHostMachine(HostRequest):
    """Verb ``show-machine``: what the machine does now; port and path are tried when they are given."""

    TYPE: ClassVar[str] = "sms.host.show-machine"
    layer_id: str
    tcp_port: int | None = None
    http_path: str = ""


class HostMachine(Message):
    """A machine's state. boot_state: booting, login, healthy (login and the port asked for), failed.

    failure_code: of contracts/errors/launch.py when failed; console_tail: the line that shows it, else the last
    one. seconds: since the machine's start.
    """

    TYPE: ClassVar[str] = "sms.host.machine"
    KIND: ClassVar[MessageKind] = "reply"
    layer_id: str
    is_running: bool
    boot_state: str = "booting"
    failure_code: str = ""
    console_path: str = ""
    console_tail: str = ""
    ports: tuple[PortForward, ...] = ()
    process_id: int = 0
    seconds: float = 0.0
    is_isolated: bool = True
    accelerator: str = ""


class StopHostMachine(HostRequest):
    """Verb ``stop-machine``: power button first, then the plug."""

    TYPE: ClassVar[str] = "sms.host.stop-machine"
    timeout_s: int = 30


class RehearseHostPoint(HostRequest):
    """Verb ``rehearse``: answers HostRehearsal as soon as it has begun; its end is asked for by show-rehearsal."""

    TYPE: ClassVar[str] = "sms.host.rehearse"
    rehearsal_id: str
    point_id: str
    layout: TargetLayout
    inventory: SourceInventory
    target_facts: TargetFacts
    cpu_count: int
    memory_bytes: int
    firmware: Firmware = "BIOS"
    timeout_s: int = 300
    helper: Literal["auto", "process", "vm"] = "auto"
    needs: tuple[str, ...] = ()


class ShowHostRehearsal(HostRequest):
    """Verb ``show-rehearsal``."""

    TYPE: ClassVar[str] = "sms.host.show-rehearsal"
    rehearsal_id: str


class EndHostRehearsal(HostRequest):
    """Verb ``end-rehearsal``: ends what still runs of it and removes its layer; the console log stays."""

    TYPE: ClassVar[str] = "sms.host.end-rehearsal"
    rehearsal_id: str


class HostRehearsal(Message):
    """How a rehearsal is. report: None while it runs."""

    TYPE: ClassVar[str] = "sms.host.rehearsal"
    KIND: ClassVar[MessageKind] = "reply"
    rehearsal_id: str
    report: RehearsalReport | None = None


class FlattenHostLayer(HostRequest):
    """Verb ``flatten``: answers HostDisks (raw, self-contained). A machine that runs from the layer runs on from
    them."""

    TYPE: ClassVar[str] = "sms.host.flatten"
    layer_id: str


class ReleaseHostTarget(HostRequest):
    """Verb ``release``: only_temporary keeps the flattened and the replica disks."""

    TYPE: ClassVar[str] = "sms.host.release"
    only_temporary: bool


class HostWorking(Message):
    """The reply when a verb is not done yet: the same request is sent again until it is. total_bytes: 0 when it is
    not known how much there is to do."""

    TYPE: ClassVar[str] = "sms.host.working"
    KIND: ClassVar[MessageKind] = "reply"
    done_bytes: int = 0
    total_bytes: int = 0


class HostDone(Message):
    """The reply of verbs that have nothing to say."""

    TYPE: ClassVar[str] = "sms.host.done"
    KIND: ClassVar[MessageKind] = "reply"


class HostCensusRequest(Message):
    """Verb ``census``: of all targets."""

    TYPE: ClassVar[str] = "sms.host.census-request"
    KIND: ClassVar[MessageKind] = "request"


class HostCensus(Message):
    """Everything that exists below the data folder, by target: ``<target>/<kind>/<name>``."""

    TYPE: ClassVar[str] = "sms.host.census"
    KIND: ClassVar[MessageKind] = "reply"
    kept: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
