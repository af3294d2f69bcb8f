"""The only place that builds the task service's adapters."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from services.task.adapters.agent_lane import AgentLane
from services.task.adapters.metering import MeteringOnTheBus
from services.task.adapters.records import HISTORY, TASKS, TaskRecords
from services.task.adapters.registry import RegistryOnTheBus
from services.task.handlers import AnswerHandlers
from services.task.renewal import CertificateRenewal
from services.task.request_handlers import RequestHandlers
from services.task.settings import TaskSettings
from services.task.subscriptions import subscribe
from shared.service import ServiceContext

COLLECTIONS: Final = (TASKS, HISTORY)


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Build the parts and declare the subscriptions."""
    settings = context.settings if isinstance(context.settings, TaskSettings) else TaskSettings()
    records = TaskRecords(context.store)
    lane = AgentLane(context.bus, settings)
    answers = AnswerHandlers(records, lane, _now)
    lane.on_refused = answers.on_command_refused
    lane.on_skipped = answers.on_step_skipped
    balances = MeteringOnTheBus(context.bus)
    requests = RequestHandlers(records, RegistryOnTheBus(context.bus), lane, answers, _now, balances)
    subscribe(context.bus, answers, requests)

    async def resume_commands() -> None:
        for task in await records.all_running():
            lane.notice(task)
        await asyncio.Event().wait()

    context.run_in_background("agent-lane", resume_commands)
    renewal = CertificateRenewal(records, lane, _now, interval_s=settings.renewal_interval_s)
    context.run_in_background("certificate-renewal", renewal.run)
