"""What a target agent's machine is like: a process on the provider's host, or a machine of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.target.disks.devices import as_devices
from contracts.messages.agent import AttachedDisk, PrepareTarget


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """has_devices: the disks are block devices of this machine, whose memory is lost with it. listen_port: the only
    one on which sources reach it; 0 for any."""

    has_devices: bool = False
    listen_port: int = 0

    def disks(self, disks: Sequence[AttachedDisk]) -> tuple[AttachedDisk, ...]:
        """As they are reached from here. Raises MigrationError SMS.DISK.MISSING."""
        return as_devices(disks) if self.has_devices else tuple(disks)

    def command(self, command: PrepareTarget) -> PrepareTarget:
        """With what is true here: what a machine of its own had not written to its disks dies with it."""
        if not self.has_devices:
            return command
        return command.model_copy(
            update={"disks": self.disks(command.disks), "applied_survives_restart": False, "listen_address": "0.0.0.0"}  # noqa: S104 - all that reaches this machine is one forwarded port
        )
