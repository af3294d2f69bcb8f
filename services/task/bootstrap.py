"""The only place that builds the task service's adapters."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from services.task.adapters.agent_lane import AgentLane
from services.task.adapters.agreements import AGREEMENTS, AgreementRecords
from services.task.adapters.catalogue import (
    PROJECT_BOOKS,
    TEMPLATES,
    CatalogueInTheStore,
    ProjectRecords,
    TemplateRecords,
)
from services.task.adapters.metering import MeteringOnTheBus
from services.task.adapters.records import HISTORY, TASKS, TaskRecords
from services.task.adapters.registry import RegistryOnTheBus
from services.task.adapters.seals import PasswordSeal
from services.task.adapters.signer import ReportSigner
from services.task.adapters.wave_records import WAVES, TaskGlances, WaveRecords
from services.task.changes import TaskChanges
from services.task.handlers import AnswerHandlers
from services.task.offer_handlers import OfferHandlers
from services.task.operation_handlers import OperationHandlers
from services.task.project_handlers import ProjectHandlers
from services.task.rehearsal_handlers import RehearsalHandlers
from services.task.renewal import CertificateRenewal
from services.task.request_handlers import RequestHandlers
from services.task.setting_handlers import SettingHandlers
from services.task.settings import TaskSettings
from services.task.speed_telling import SpeedTelling
from services.task.start_guard import StartGuard
from services.task.subscriptions import subscribe, subscribe_catalogue, subscribe_settings, subscribe_waves
from services.task.template_handlers import TemplateHandlers
from services.task.wave_handlers import WaveHandlers
from services.task.wave_runner import WaveRunner
from shared.service import ServiceContext

COLLECTIONS: Final = (TASKS, HISTORY, TEMPLATES, PROJECT_BOOKS, AGREEMENTS, WAVES)


def _now() -> datetime:
    return datetime.now(UTC)


async def wire(context: ServiceContext) -> None:
    """Build the parts and declare the subscriptions."""
    settings = context.settings if isinstance(context.settings, TaskSettings) else TaskSettings()
    records = TaskRecords(context.store)
    lane = AgentLane(context.bus, settings)
    context.resources.push_async_callback(lane.close)
    answers = AnswerHandlers(records, lane, _now)
    lane.on_refused = answers.on_command_refused
    lane.on_skipped = answers.on_step_skipped
    templates, projects = TemplateRecords(context.store), ProjectRecords(context.store)
    registry = RegistryOnTheBus(context.bus)
    catalogue = CatalogueInTheStore(templates, projects)
    changes = TaskChanges(records, lane)
    guard = StartGuard(registry, MeteringOnTheBus(context.bus))
    operations = OperationHandlers(changes, records, guard, _now)
    signer = ReportSigner(settings.signing_key_file)
    requests = RequestHandlers(records, registry, catalogue, operations, guard, answers, signer, _now)
    telling = SpeedTelling(records, lane, pause_s=settings.command_pause_s)
    context.resources.push_async_callback(telling.close)
    subscribe(context.bus, answers, requests, operations, RehearsalHandlers(changes, _now))
    setting_handlers = SettingHandlers(changes, records, telling, _now)
    subscribe_settings(context.bus, setting_handlers)
    glances = TaskGlances(context.store)
    subscribe_catalogue(
        context.bus,
        TemplateHandlers(templates, PasswordSeal(settings.seal_key_file), _now),
        ProjectHandlers(projects, registry),
        OfferHandlers(records, glances, AgreementRecords(context.store), _now),
    )
    waves = WaveRecords(context.store)
    runner = WaveRunner(waves, glances, projects, requests, interval_s=settings.wave_interval_s)
    update, progress = setting_handlers.update, answers.newest_progress
    subscribe_waves(context.bus, WaveHandlers(waves, glances, registry, requests, update, runner, progress, _now))
    context.run_in_background("waves", runner.run)

    async def resume_commands() -> None:
        for task in await records.all_running():
            lane.notice(task)
            telling.tell_soon(task)
        await asyncio.Event().wait()

    context.run_in_background("agent-lane", resume_commands)
    renewal = CertificateRenewal(records, lane, _now, interval_s=settings.renewal_interval_s)
    context.run_in_background("certificate-renewal", renewal.run)
