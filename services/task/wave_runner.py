"""Gives the servers of a wave their turns: each is asked once per order, and what fails stops no other."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.platform import BUS_UNAVAILABLE, SERVICE_UNAVAILABLE, STORE_CONFLICT, STORE_UNAVAILABLE
from contracts.errors.wave import WAVE_NO_TASK
from contracts.messages.task import ActOnTask, CreateTask, TaskAction
from services.task.domain.ports import Glances, Projects, Waves
from services.task.domain.waves import (
    Member,
    Order,
    TaskGlance,
    Wave,
    had_turn,
    next_turns,
    task_action,
    turn_taken,
    wish,
)
from services.task.request_handlers import RequestHandlers
from shared.store import ConflictError, StoreUnavailableError
from shared.telemetry import log

# What goes away by itself is tried again in the next pass; anything else is the server's result.
_PASSING: Final = frozenset(
    {BUS_UNAVAILABLE.code, SERVICE_UNAVAILABLE.code, STORE_CONFLICT.code, STORE_UNAVAILABLE.code}
)
_AT_A_TIME: Final = 8
_ATTEMPTS: Final = 5


class WaveRunner:
    """Looks at all waves with servers that wait, every interval_s. All that it needs is in the records: after a
    restart it goes on, and a command that had been given already is recognised by its key."""

    def __init__(
        self, waves: Waves, glances: Glances, projects: Projects, tasks: RequestHandlers, *, interval_s: float
    ) -> None:
        self._waves = waves
        self._glances = glances
        self._projects = projects
        self._tasks = tasks
        self._interval_s = interval_s
        self._locks: dict[str, asyncio.Lock] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                for wave in await self._waves.all_open():
                    await self.advance(wave.account, wave.id)
            except MigrationError as error:
                if error.code not in _PASSING:
                    raise
                log("waves wait", level=logging.WARNING, error=error)

    async def advance(self, account: str, wave_id: str) -> Wave:
        """Give everybody whose turn it is their turn. Returns the wave as it is then."""
        lock = self._locks.setdefault(wave_id, asyncio.Lock())
        try:
            async with lock:
                return await self._advance(account, wave_id)
        finally:
            if not lock.locked():
                self._locks.pop(wave_id, None)

    async def _advance(self, account: str, wave_id: str) -> Wave:
        wave, _ = await self._waves.load(account, wave_id)
        order = wave.order
        if order is None or not wave.waiting:
            return wave
        tasks = await self._glances.of(account, wave.members)
        turns = next_turns(wave, tasks)
        taken: dict[str, Member] = {}
        for start in range(0, len(turns), _AT_A_TIME):
            some = turns[start : start + _AT_A_TIME]
            members = await asyncio.gather(
                *(self._turn(wave, order, member, tasks.get(member.server_id)) for member in some)
            )
            taken |= {member.server_id: member for member in members if member.order == order.number}
        return await self._note(wave, order, taken) if taken else wave

    async def _turn(self, wave: Wave, order: Order, member: Member, task: TaskGlance | None) -> Member:
        try:
            learned = await self._ask(wave, order, member, task)
        except StoreUnavailableError:
            return member
        except MigrationError as error:
            if error.code in _PASSING:
                log("turn put off", level=logging.WARNING, wave_id=wave.id, server_id=member.server_id, error=error)
                return member
            known = {"task_id": task.id} if task is not None else {}
            return turn_taken(member, order, **known, failure=error.failure)
        return turn_taken(member, order, **learned)

    async def _ask(self, wave: Wave, order: Order, member: Member, task: TaskGlance | None) -> dict[str, Any]:
        wanted = wish(order, task)
        envelope = _envelope(wave, order, member)
        if wanted == "refuse":
            raise MigrationError(WAVE_NO_TASK, server_id=member.server_id, action=order.action.value, wave_id=wave.id)
        task_id = task.id if task is not None else ""
        if wanted == "create":
            task_id = (await self._tasks.create(await self._request(wave, order, member), envelope)).id
        if wanted in {"create", "act"}:
            await self._tasks.act(_command(order, task_id, envelope.id), envelope)
        return {"task_id": task_id}

    async def _request(self, wave: Wave, order: Order, member: Member) -> CreateTask:
        book, _ = await self._projects.load(wave.account)
        options = wave.options
        if wave.rate_limit_bit_s:
            options = options.model_copy(update={"rate_limit_bit_s": wave.rate_limit_bit_s})
        return CreateTask(
            idempotency_key=f"wave-{wave.id}-{order.number}-{member.server_id}",
            server_id=member.server_id,
            migration_type=book.get(wave.project_id).migration_type,
            options=options,
            template_id=wave.template_id,
            project_id=wave.project_id,
        )

    async def _note(self, wave: Wave, order: Order, taken: dict[str, Member]) -> Wave:
        """Note who had their turn. An order that came meanwhile begins afresh with everybody: nothing is noted."""
        cause = Envelope(
            id=f"wave:{wave.id}:{order.number}:{min(taken)}:{len(taken)}",
            type="sms.wave.own",
            version=1,
            source="/services/task",
            account=wave.account,
            actor=order.actor,
            correlation_id=wave.id,
        )
        for attempt in range(_ATTEMPTS):
            current, version = await self._waves.load(wave.account, wave.id)
            if current.order is None or current.order.number != order.number:
                return current
            noted = had_turn(current, taken)
            try:
                await self._waves.save(noted, "advanced", expected_version=version, cause=cause)
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return noted
        return wave


def _command(order: Order, task_id: str, key: str) -> ActOnTask:
    return ActOnTask(
        idempotency_key=key,
        task_id=task_id,
        action=task_action(order),
        has_consent=order.has_consent and task_action(order) is TaskAction.START,
        overwrite_target=order.overwrite_target,
    )


def _envelope(wave: Wave, order: Order, member: Member) -> Envelope:
    return Envelope(
        id=f"wave:{wave.id}:{order.number}:{member.server_id}",
        type="sms.wave.own",
        version=1,
        source="/services/task",
        account=wave.account,
        actor=order.actor,
        correlation_id=wave.id,
    )
