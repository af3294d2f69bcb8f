"""The words in which providers are spoken to and answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.adaptation import TargetFacts
from contracts.base import Model
from contracts.inventory import Firmware, SourceInventory
from contracts.layout import TargetLayout
from contracts.messages.agent import AttachedDisk
from contracts.messages.target_provisioner import PortForward

BootState = Literal["booting", "login", "healthy", "failed"]


class HelperOrder(Model):
    """A helper to boot. token_id and token_secret: the one-time enrolment of its agent. helper, needs: see
    BootHelper."""

    task_id: str
    account: str
    agent_id: str
    volume_id: str
    volume_size_bytes: int
    token_id: str
    token_secret: str = Field(repr=False)
    helper: Literal["auto", "process", "vm"] = "auto"
    needs: tuple[str, ...] = ()


class HelperState(Model):
    """A helper and its volume. finding: what is wrong with the volume, "" for nothing."""

    is_running: bool
    volume_id: str = ""
    finding: str = ""
    addresses: tuple[str, ...] = ()
    listen_address: str = "127.0.0.1"
    helper: Literal["process", "vm"] = "process"


class FrozenDisks(Model):
    """A point that was taken. disks: the new top layers; dropped_points: older ones that are gone for it."""

    disks: tuple[AttachedDisk, ...]
    layers: int
    dropped_points: tuple[str, ...] = ()


class MachineOrder(Model):
    """A machine to start from a launch layer."""

    layer_id: str
    cpu_count: int
    memory_bytes: int
    firmware: Firmware
    is_isolated: bool
    forwards: tuple[PortForward, ...]


class MachineState(Model):
    """A machine now. seconds: since its start. failure_code: a code of the catalogue when it failed."""

    layer_id: str
    is_running: bool
    boot_state: BootState
    failure_code: str = ""
    console_path: str = ""
    console_line: str = ""
    ports: tuple[PortForward, ...] = ()
    process_id: int = 0
    seconds: float = 0.0
    is_isolated: bool = True


class RehearsalRequest(Model):
    """A throw-away layer to adapt, to boot without a network, and to judge."""

    rehearsal_id: str
    point_id: str
    layout: TargetLayout
    inventory: SourceInventory
    target_facts: TargetFacts
    cpu_count: int
    memory_bytes: int
    firmware: Firmware
    timeout_s: int
    helper: Literal["auto", "process", "vm"] = "auto"
    needs: tuple[str, ...] = ()


class ProviderCensus(Model):
    """Names ``<target>/<kind>/<name>`` of what exists: kept after a finish, or temporary."""

    kept: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
