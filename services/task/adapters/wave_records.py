"""Waves in the store, each change with its event in one write, and their tasks as far as a wave looks at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.wave import WAVE_NOT_FOUND
from contracts.messages.wave import WaveChanged
from services.task.adapters.records import TASKS
from services.task.domain.waves import Member, TaskGlance, Wave
from shared.store import Collection, OutgoingMessage, Store
from shared.store.typed import TypedCollection

WAVES: Final = Collection(name="waves", fields=("is_open",))
_SERVICE: Final = "task"
_PAGE: Final = 500


class StoredWave(Wave):
    """A wave with what the store is searched by. is_open: servers wait for their turn."""

    is_open: bool


class WaveRecords:
    """The port Waves."""

    def __init__(self, store: Store) -> None:
        self._waves = TypedCollection(store, WAVES, StoredWave)

    async def load(self, account: str, wave_id: str) -> tuple[Wave, int]:
        """See Waves."""
        stored = await self._waves.load(account, wave_id) if wave_id else None
        if stored is None:
            raise MigrationError(WAVE_NOT_FOUND, wave_id=wave_id)
        return stored.value, stored.version

    async def was_applied(self, account: str, wave_id: str, message_id: str) -> bool:
        """See Waves."""
        return await self._waves.was_applied(account, wave_id, message_id)

    async def save(self, wave: Wave, change: str, *, expected_version: int, cause: Envelope) -> None:
        """See Waves."""
        stored = StoredWave(**_fields(wave), is_open=bool(wave.waiting))
        await self._waves.save(
            wave.account,
            wave.id,
            stored,
            expected_version=expected_version,
            outbox=[_event(wave, change, cause)],
            applied=cause.id,
        )

    async def delete(self, wave: Wave, *, expected_version: int, cause: Envelope) -> None:
        """See Waves."""
        event = _event(wave, "deleted", cause)
        await self._waves.delete(wave.account, wave.id, expected_version=expected_version, outbox=[event])

    async def all(self, account: str) -> list[Wave]:
        """See Waves."""
        found: list[Wave] = []
        after = ""
        while True:
            page = await self._waves.find(account, after=after, limit=_PAGE)
            found += [row.value for row in page]
            if len(page) < _PAGE:
                return found
            after = page[-1].id

    async def all_open(self) -> list[Wave]:
        """See Waves."""
        return [row.value async for row in self._waves.find_all_accounts({"is_open": True})]


class TaskGlances:
    """The port Glances."""

    def __init__(self, store: Store) -> None:
        self._tasks = TypedCollection(store, TASKS, TaskGlance)

    async def of(self, account: str, members: Iterable[Member]) -> dict[str, TaskGlance]:
        """See Glances."""
        found: dict[str, TaskGlance] = {}
        for member in members:
            active = await self._tasks.find(account, {"server_id": member.server_id, "is_active": True}, limit=1)
            if active:
                found[member.server_id] = active[0].value
            elif member.task_id and (last := await self._tasks.load(account, member.task_id)) is not None:
                found[member.server_id] = last.value
        return found

    async def failed(self, account: str) -> list[TaskGlance]:
        """See Glances."""
        found: list[TaskGlance] = []
        after = ""
        while True:
            page = await self._tasks.find(account, {"is_active": True}, after=after, limit=_PAGE)
            found += [row.value for row in page if row.value.failure is not None and not row.value.is_running]
            if len(page) < _PAGE:
                return found
            after = page[-1].id


def _fields(wave: Wave) -> dict[str, object]:
    return {name: getattr(wave, name) for name in Wave.model_fields}


def _event(wave: Wave, change: str, cause: Envelope) -> OutgoingMessage:
    event = WaveChanged(
        wave_id=wave.id,
        name=wave.name,
        change=change,
        servers=len(wave.members),
        waiting=len(wave.waiting),
        refused=len(wave.refused),
    )
    return OutgoingMessage.of(
        subjects.evt(wave.account, "wave", wave.id, "changed"),
        event,
        source=_SERVICE,
        account=wave.account,
        cause=cause,
        correlation_id=wave.id,
    )
