"""One coroutine per request about waves."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.wave import WAVE_BUSY, WAVE_LIMIT
from contracts.messages.reply import Accepted
from contracts.messages.task import CreateTask
from contracts.messages.task_settings import UpdateTask
from contracts.messages.wave import (
    ActOnWave,
    CheckWave,
    CreateWave,
    DeleteWave,
    LimitWave,
    ListWaves,
    ShowWave,
    UpdateWave,
    WaveAction,
    WaveChanges,
    WaveDetails,
    WaveItem,
    WaveList,
    WaveOutcome,
)
from contracts.transfer import TransferProgress
from services.task.domain.pages import that_fit
from services.task.domain.ports import Clock, Glances, TaggedServers, Waves
from services.task.domain.wave_view import brief, show_wave
from services.task.domain.waves import (
    MOST_WAVES,
    Member,
    TaskGlance,
    Wave,
    begin_order,
    change_wave,
    gather,
    refuse_unfit,
)
from services.task.request_handlers import RequestHandlers
from services.task.wave_runner import WaveRunner
from shared.store import AlreadyAppliedError, ConflictError

_NAMESPACE: Final = uuid.UUID("b7c0d7d2-5b1c-4b8e-9f57-3c1a8b0a5d11")
_ATTEMPTS: Final = 5

NewestProgress = Callable[[str], TransferProgress | None]
Update = Callable[[UpdateTask, Envelope], Awaitable[Accepted]]
Change = Callable[[Wave], Wave]


class WaveHandlers:
    """What users ask of waves. update_task: how a user changes a task. newest_progress: by task."""

    def __init__(
        self,
        waves: Waves,
        glances: Glances,
        servers: TaggedServers,
        tasks: RequestHandlers,
        update_task: Update,
        runner: WaveRunner,
        newest_progress: NewestProgress,
        clock: Clock,
    ) -> None:
        self._waves = waves
        self._glances = glances
        self._servers = servers
        self._tasks = tasks
        self._update_task = update_task
        self._runner = runner
        self._newest_progress = newest_progress
        self._clock = clock

    async def create(self, request: CreateWave, envelope: Envelope) -> Accepted:
        """Write a wave down. Its servers are looked at when it is checked or started."""
        account = envelope.account
        identifier = uuid.uuid5(_NAMESPACE, f"{account}/{request.idempotency_key}").hex
        refuse_unfit(request.wave)
        known = await self._waves.all(account)
        if any(one.id == identifier for one in known):
            return Accepted(id=identifier)
        if len(known) >= MOST_WAVES:
            raise MigrationError(WAVE_LIMIT, count=len(known), limit=MOST_WAVES)
        members = tuple(Member(server_id=server_id) for server_id in dict.fromkeys(request.wave.server_ids))
        wave = Wave(**dict(request.wave), id=identifier, account=account, members=members, created_at=self._clock())
        try:
            await self._waves.save(wave, "created", expected_version=0, cause=envelope)
        except ConflictError:
            await self._waves.load(account, identifier)  # the same request, repeated at the same time
        return Accepted(id=identifier)

    async def update(self, request: UpdateWave, envelope: Envelope) -> Accepted:
        """Change what is given; servers of the list are shown at once, those by tags from the next start on."""

        def change(wave: Wave) -> Wave:
            changed = change_wave(wave, request.changes)
            has_begun = wave.order is not None
            return changed if has_begun else changed.model_copy(update={"members": gather(changed, ())})

        await self._change(request.wave_id, "updated", _keyed(envelope, request.idempotency_key), change)
        return Accepted(id=request.wave_id)

    async def delete(self, request: DeleteWave, envelope: Envelope) -> Accepted:
        """Remove the set; an order that has not come to its end would be lost with it."""
        wave, version = await self._waves.load(envelope.account, request.wave_id)
        if wave.order is not None and wave.waiting:
            raise MigrationError(
                WAVE_BUSY,
                name=wave.name,
                action=wave.order.action.value,
                waiting=len(wave.waiting),
                wave_id=wave.id,
            )
        await self._waves.delete(wave, expected_version=version, cause=envelope)
        return Accepted(id=wave.id)

    async def show(self, request: ShowWave, envelope: Envelope) -> WaveDetails:
        """One wave with a row for each server."""
        wave, _ = await self._waves.load(envelope.account, request.wave_id)
        tasks = await self._glances.of(wave.account, wave.members)
        return WaveDetails(wave=show_wave(wave, tasks, self._progress(tasks), with_rows=True))

    async def list_waves(self, request: ListWaves, envelope: Envelope) -> WaveList:
        """Waves in the order of their ids."""
        found = await self._waves.all(envelope.account)
        views = []
        for wave in found[request.offset : request.offset + request.limit]:
            tasks = await self._glances.of(wave.account, wave.members)
            views.append(show_wave(wave, tasks, self._progress(tasks), with_rows=False))
        return WaveList(count=len(found), waves=that_fit(views, limit=request.limit))

    async def check(self, request: CheckWave, envelope: Envelope) -> WaveOutcome:
        """Each server as if it were started now; nothing is changed."""
        wave, _ = await self._waves.load(envelope.account, request.wave_id)
        members = gather(wave, await self._tagged(wave, envelope))
        tasks = await self._glances.of(wave.account, members)
        items = [await self._check(wave, member, tasks.get(member.server_id), envelope) for member in members]
        return WaveOutcome(wave_id=wave.id, items=tuple(items))

    async def act(self, request: ActOnWave, envelope: Envelope) -> WaveOutcome:
        """Take the action on, and give everybody whose turn it is their turn; the others follow by themselves."""
        cause = _keyed(envelope, request.idempotency_key)
        if not await self._waves.was_applied(envelope.account, request.wave_id, cause.id):
            wave, _ = await self._waves.load(envelope.account, request.wave_id)
            tagged = await self._tagged(wave, envelope) if request.action is WaveAction.START else ()
            await self._change(
                request.wave_id,
                request.action.value,
                cause,
                lambda wave: begin_order(wave, request, tagged, actor=envelope.actor, at=self._clock()),
            )
        wave = await self._runner.advance(envelope.account, request.wave_id)
        waiting = {member.server_id for member in wave.waiting}
        return WaveOutcome(
            wave_id=wave.id,
            items=tuple(_item(member, is_waiting=member.server_id in waiting) for member in wave.members),
        )

    async def limit(self, request: LimitWave, envelope: Envelope) -> WaveOutcome:
        """Set the rate of tasks to come, and of those that are there; one that refuses it keeps no other."""
        changes = WaveChanges(rate_limit_bit_s=request.rate_limit_bit_s)
        cause = _keyed(envelope, request.idempotency_key)
        await self._change(request.wave_id, "limited", cause, lambda wave: change_wave(wave, changes))
        wave, _ = await self._waves.load(envelope.account, request.wave_id)
        tasks = await self._glances.of(wave.account, wave.members)
        items = []
        for member in wave.members:
            task = tasks.get(member.server_id)
            items.append(await self._limit(member, task, request, envelope))
        return WaveOutcome(wave_id=wave.id, items=tuple(items))

    async def _limit(self, member: Member, task: TaskGlance | None, request: LimitWave, envelope: Envelope) -> WaveItem:
        if task is None or task.has_ended:
            return WaveItem(server_id=member.server_id, outcome="done")
        update = UpdateTask(
            idempotency_key=f"wave:{request.wave_id}:{request.idempotency_key}",
            task_id=task.id,
            rate_limit_bit_s=request.rate_limit_bit_s,
        )
        try:
            await self._update_task(update, envelope)
        except MigrationError as error:
            return WaveItem(
                server_id=member.server_id, task_id=task.id, outcome="refused", failure=brief(error.failure)
            )
        return WaveItem(server_id=member.server_id, task_id=task.id, outcome="done")

    async def _check(self, wave: Wave, member: Member, task: TaskGlance | None, envelope: Envelope) -> WaveItem:
        task_id = task.id if task is not None and not task.has_ended else ""
        request = CreateTask(
            idempotency_key="check",
            server_id=member.server_id,
            options=wave.options,
            template_id=wave.template_id,
            project_id=wave.project_id,
        )
        try:
            await self._tasks.rehearse(request, envelope)
        except MigrationError as error:
            return WaveItem(
                server_id=member.server_id, task_id=task_id, outcome="refused", failure=brief(error.failure)
            )
        return WaveItem(server_id=member.server_id, task_id=task_id, outcome="done")

    async def _tagged(self, wave: Wave, envelope: Envelope) -> tuple[str, ...]:
        return await self._servers.tagged(wave.tags, envelope) if wave.tags else ()

    def _progress(self, tasks: dict[str, TaskGlance]) -> dict[str, TransferProgress]:
        newest = {task.id: self._newest_progress(task.id) for task in tasks.values()}
        return {task_id: progress for task_id, progress in newest.items() if progress is not None}

    async def _change(self, wave_id: str, what: str, cause: Envelope, change: Change) -> None:
        for attempt in range(_ATTEMPTS):
            if await self._waves.was_applied(cause.account, wave_id, cause.id):
                return
            wave, version = await self._waves.load(cause.account, wave_id)
            try:
                await self._waves.save(change(wave), what, expected_version=version, cause=cause)
            except AlreadyAppliedError:
                return
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return


def _item(member: Member, *, is_waiting: bool) -> WaveItem:
    if is_waiting:
        return WaveItem(server_id=member.server_id, task_id=member.task_id, outcome="waiting")
    outcome = WaveItem(server_id=member.server_id, task_id=member.task_id, outcome="done")
    if member.failure is None:
        return outcome
    return outcome.model_copy(update={"outcome": "refused", "failure": brief(member.failure)})


def _keyed(envelope: Envelope, key: str) -> Envelope:
    """The request's key stands for the message id: a repeated request is another message with the same key."""
    return replace(envelope, id=f"request:{key}")
