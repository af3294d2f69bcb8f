"""The records of targets in the service's store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from contracts.envelope import Envelope
from contracts.messages.target_provisioner import ProvisionerEvent
from contracts.subjects import evt
from services.target_provisioner.domain.target import Target
from shared.store import Collection, OutgoingMessage, Store, TypedCollection

SERVICE: Final = "target_provisioner"
TARGETS: Final = Collection(name="targets", fields=("has_helper", "is_launching", "is_rehearsing"))


class StoredTargets:
    """The port Targets over a Store."""

    def __init__(self, store: Store) -> None:
        self._targets = TypedCollection(store, TARGETS, Target)

    async def load(self, account: str, target_id: str) -> tuple[Target | None, int]:
        """See Targets."""
        found = await self._targets.load(account, target_id)
        return (None, 0) if found is None else (found.value, found.version)

    async def save(
        self, account: str, target: Target, version: int, *, says: Sequence[ProvisionerEvent], cause: Envelope
    ) -> None:
        """See Targets. cause.id "" applies nothing (what the watcher sees has no message behind it)."""
        outbox = [
            OutgoingMessage.of(
                evt(account, "target", target.id, event_name(event)),
                event,
                source=SERVICE,
                account=account,
                cause=cause if cause.id else None,
                correlation_id=cause.correlation_id,
                actor=cause.actor,
            )
            for event in says
        ]
        await self._targets.save(
            account, target.id, target, expected_version=version, outbox=outbox, applied=cause.id or None
        )

    async def watched(self) -> AsyncIterator[tuple[str, Target]]:
        """See Targets."""
        for field in TARGETS.fields:
            async for found in self._targets.find_all_accounts({field: True}):
                yield found.account, found.value

    async def all(self) -> AsyncIterator[tuple[str, Target]]:
        """See Targets."""
        async for found in self._targets.find_all_accounts():
            yield found.account, found.value


def event_name(event: ProvisionerEvent) -> str:
    """The last part of an event's subject: that of its type."""
    return event.TYPE.rsplit(".", 1)[1]
