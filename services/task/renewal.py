"""Certificates of running transfers: new ones at half of their life, told to both agents.

A copy may take days and a certificate holds for an hour, so that one that was stolen is soon worthless.
"""

from __future__ import annotations

import asyncio
import logging

from contracts.envelope import Envelope
from services.task.domain.instructions import renewal_commands, renewed_certificates
from services.task.domain.ports import Clock, Lane, Tasks
from services.task.domain.saga import Cause, is_renewal_due, note
from services.task.domain.task import Task
from shared.store import ConflictError, StoreUnavailableError
from shared.telemetry import log


class CertificateRenewal:
    """Looks at all running transfers every `interval_s`. What was told is kept in memory only: telling it again
    after a restart changes nothing."""

    def __init__(self, tasks: Tasks, lane: Lane, clock: Clock, *, interval_s: float) -> None:
        self._tasks = tasks
        self._lane = lane
        self._clock = clock
        self._interval_s = interval_s
        self._told: dict[str, tuple[str, ...]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                running = await self._tasks.all_running()
                for task in running:
                    await self.look_at(task)
            except (StoreUnavailableError, ConflictError) as error:
                # The next look sees what has changed meanwhile.
                log("renewal waits", level=logging.WARNING, error=error)

    async def look_at(self, task: Task) -> None:
        """Ask for new certificates if they are due, and tell those that have come."""
        if is_renewal_due(task, self._clock()):
            await self._ask(task)
        elif task.channel.renewals and task.channel.source and task.channel.target:
            await self._tell(task, (task.channel.source.pem, task.channel.target.pem))

    async def _ask(self, task: Task) -> None:
        channel = task.channel.model_copy(update={"renewals": task.channel.renewals + 1})
        envelope = Envelope(
            id=f"{task.id}:{task.version}:renew",
            type="sms.task.own",
            version=1,
            source="/services/task",
            account=task.account,
            correlation_id=task.id,
        )
        cause = Cause(event="certificates asked for", actor=envelope.source, at=self._clock())
        asked = note(task, cause, channel=channel)
        await self._tasks.change(asked, envelope, besides=renewal_commands(asked))

    async def _tell(self, task: Task, certificates: tuple[str, ...]) -> None:
        if self._told.get(task.id) == certificates:
            return
        said = [await self._lane.tell(task, command) for command in renewed_certificates(task)]
        if all(said):
            self._told[task.id] = certificates
            log("certificates renewed", task_id=task.id, renewals=task.channel.renewals)
