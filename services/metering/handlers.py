"""One coroutine per event that says what a migration uses: load, merge, save, and say what it costs now."""

from __future__ import annotations

from collections.abc import Callable

from contracts.envelope import Envelope
from contracts.messages.metering import TaskCostChanged
from contracts.messages.registry import ServerRegistered, ServerUpdated
from contracts.messages.target_provisioner import HelperStarted, PointTaken, TargetFinished, TargetReleased, VolumeLost
from contracts.messages.task import TaskChanged, TaskCreated
from services.metering.domain import facts as merge
from services.metering.domain.cost import cost_of
from services.metering.domain.facts import ServerFacts, TaskFacts
from services.metering.domain.ports import Accounts, Clock, Facts

Merge = Callable[[TaskFacts], TaskFacts]


class EventHandlers:
    """Facts from events. An event that says nothing new changes nothing, however often and late it comes.

    A provisioner that does not say yet when something happened is taken to have said it at once: the envelope's
    time, which stays the same when the bus delivers again.
    """

    def __init__(self, facts: Facts, accounts: Accounts, clock: Clock) -> None:
        self._facts = facts
        self._accounts = accounts
        self._clock = clock

    async def on_task_created(self, event: TaskCreated, envelope: Envelope) -> None:
        """A task exists; what it costs is by the prices of this time."""
        await self._learn(event.task_id, envelope, lambda known: merge.with_creation(known, event, envelope.time))

    async def on_task_changed(self, event: TaskChanged, envelope: Envelope) -> None:
        """A task has moved on."""
        await self._learn(event.task_id, envelope, lambda known: merge.with_transition(known, event, envelope.time))

    async def on_helper_started(self, event: HelperStarted, envelope: Envelope) -> None:
        """A temporary volume is attached."""
        at = event.volume_attached_at or envelope.time
        await self._learn(
            event.task_id,
            envelope,
            lambda known: merge.with_attachment(known, event.volume_id, at, event.volume_size_bytes),
        )

    async def on_volume_lost(self, event: VolumeLost, envelope: Envelope) -> None:
        """The temporary volume is gone before its time."""
        await self._learn(
            event.task_id, envelope, lambda known: merge.with_release(known, event.lost_at or envelope.time)
        )

    async def on_target_ended(self, event: TargetFinished | TargetReleased, envelope: Envelope) -> None:
        """Nothing temporary is left."""
        await self._learn(
            event.task_id, envelope, lambda known: merge.with_release(known, event.released_at or envelope.time)
        )

    async def on_point_taken(self, event: PointTaken, envelope: Envelope) -> None:
        """A snapshot of the replica."""
        await self._learn(event.task_id, envelope, lambda known: merge.with_point(known, event.point_id))

    async def on_server(self, event: ServerRegistered | ServerUpdated, envelope: Envelope) -> None:
        """What a source has in use, for estimates."""
        known, version = await self._facts.server(envelope.account, event.server_id)
        heard = ServerFacts(used_bytes=event.inventory.used_bytes, reported_at=envelope.time)
        newer = merge.newer_server(known, heard)
        if newer != known:
            await self._facts.save_server(envelope.account, event.server_id, newer, version)

    async def _learn(self, task_id: str, envelope: Envelope, change: Merge) -> None:
        known, version = await self._facts.task(envelope.account, task_id)
        old = known or TaskFacts(task_id=task_id)
        new = change(old)
        if new == known:
            return
        says = []
        # A transition within a phase (one step follows another) changes nothing that is billed.
        if new.model_copy(update={"version": old.version}) != known:
            now = self._clock()
            prices = await self._accounts.prices(envelope.account, new.created_at or now)
            says.append(TaskCostChanged(task_id=task_id, cost=cost_of(new, prices.prices, now=now)))
        await self._facts.save_task(envelope.account, new, version, says=says, cause=envelope)
