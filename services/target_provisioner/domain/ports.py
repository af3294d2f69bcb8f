"""What the provisioner needs of the world: providers, tokens for helpers, and its own records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

from contracts.envelope import Envelope
from contracts.messages.agent import AttachedDisk
from contracts.messages.identity import EnrolmentToken
from contracts.messages.target_provisioner import DiskRequest, HealthCheck, ProvisionerEvent
from contracts.rehearsal import RehearsalReport
from services.target_provisioner.domain.provider import (
    FrozenDisks,
    HelperOrder,
    HelperState,
    MachineOrder,
    MachineState,
    ProviderCensus,
    RehearsalRequest,
)
from services.target_provisioner.domain.target import Target

Clock = Callable[[], datetime]


class TargetProvider(Protocol):
    """Where target servers live. Every call names what it makes, so it may be repeated: what an earlier call made
    is found and returned, never made twice, also when the caller or the provider was killed in between. Calls for
    one target come one after another. A cancelled call may have had its effect. Expected failures are
    MigrationError; SMS.TARGET.HOST_UNAVAILABLE means that it is not known whether there was an effect.
    """

    async def create_disks(self, target_id: str, disks: Sequence[DiskRequest]) -> tuple[AttachedDisk, ...]:
        """Empty disks, in order. Repeated, the disks as they are now (the top layers).

        Raises SMS.TARGET.HOST_FULL before anything is made, SMS.TARGET.DISK_CHANGED for other sizes than before.
        """

    async def boot_helper(self, target_id: str, order: HelperOrder) -> HelperState:
        """Make the temporary volume and boot the helper with it; one that runs with this volume is left alone. A
        volume of another id is removed. The helper is a machine of its own where that is asked for, or where the
        provider's host lacks what the plan needs. Raises SMS.TARGET.VOLUME_LOST when this very volume is not what it
        was, SMS.TARGET.HELPER_IMAGE, SMS.TARGET.HELPER_NEEDED."""

    async def helper_state(self, target_id: str) -> HelperState:
        """How helper and volume are; for a target without one, not running and nothing found."""

    async def stop_helper(self, target_id: str, *, release_volume: bool) -> None:
        """End the helper, with everything that it attached or started."""

    async def take_point(self, target_id: str, point_id: str) -> FrozenDisks:
        """Freeze all disks at once; the point's content never changes. At most 8 layers: older points that no
        launch layer needs are merged. Raises SMS.TARGET.DISKS_BUSY while the helper has the disks attached."""

    async def create_layer(self, target_id: str, *, layer_id: str, point_id: str) -> tuple[AttachedDisk, ...]:
        """A copy-on-write layer over a point; writing into it never changes the point. Raises SMS.TARGET.UNKNOWN."""

    async def delete_layer(self, target_id: str, layer_id: str) -> None:
        """Stop its machine at once, and remove the layer; one that there is not is no error."""

    async def launch(self, target_id: str, order: MachineOrder) -> MachineState:
        """Start a machine from a layer, or from the flattened disks made of it; returns when it has started. One
        that has ended by itself is not started again under the same layer until it is stopped."""

    async def machine_state(self, target_id: str, layer_id: str, check: HealthCheck) -> MachineState:
        """One look, without waiting. healthy: login reached and the check's port answers."""

    async def begin_rehearsal(self, target_id: str, request: RehearsalRequest) -> None:
        """Begin it and return; whatever else is asked for of this target goes on meanwhile. Raises
        SMS.TARGET.UNKNOWN for a point that there is not."""

    async def rehearsal_report(self, target_id: str, rehearsal_id: str) -> RehearsalReport | None:
        """None while it runs. Raises SMS.TARGET.UNKNOWN for one that was never begun."""

    async def end_rehearsal(self, target_id: str, rehearsal_id: str) -> None:
        """End what runs of it and remove its layer; one that there is not is no error."""

    async def stop_machines(self, target_id: str, *, timeout_s: int) -> None:
        """Power down every machine of the target; after timeout_s end it."""

    async def flatten(self, target_id: str, layer_id: str) -> tuple[AttachedDisk, ...]:
        """Self-contained raw disks of a layer. May take long. A machine that runs from the layer is not disturbed:
        it runs on, from these disks. Nothing of the layer is needed any more when this returns. Raises
        SMS.TARGET.RUNNING while a machine runs from the flattened disks of another layer."""

    async def release(self, target_id: str, *, only_temporary: bool) -> None:
        """Remove helper, volume, rehearsals, layers and points, the replica staying as one raw file per disk; or
        everything."""

    async def census(self) -> ProviderCensus:
        """Everything that exists of all targets."""


class EnrolmentTokens(Protocol):
    """Identity, as far as helpers need it."""

    async def issue(self, request_id: str, task_id: str, cause: Envelope) -> EnrolmentToken:
        """A one-time token; the same request_id gives the same agent id, the earlier token being void."""


class Targets(Protocol):
    """The records of targets. A write is atomic with the event that it says."""

    async def load(self, account: str, target_id: str) -> tuple[Target | None, int]:
        """The record and its version; (None, 0) when there is none."""

    async def save(
        self, account: str, target: Target, version: int, *, says: Sequence[ProvisionerEvent], cause: Envelope
    ) -> None:
        """Write record and events at once, the cause being applied. Raises ConflictError, AlreadyAppliedError."""

    def watched(self) -> AsyncIterator[tuple[str, Target]]:
        """(account, record) of every target with a helper, or with a machine or a rehearsal that has begun."""

    def all(self) -> AsyncIterator[tuple[str, Target]]:
        """(account, record) of every target."""
