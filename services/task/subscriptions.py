"""Subject to handler. The bus acknowledges when a handler has returned and tries again when it has raised."""

from __future__ import annotations

from typing import Final

from contracts.messages.agent import AgentProgress, AgentResult, AgentSyncRound
from contracts.messages.agreement import AcceptPrivacyAgreement, ListTaskErrors, ShowOffer, ShowPrivacyAgreement
from contracts.messages.certificate_issuer import (
    AuthorityCreated,
    AuthorityDestroyed,
    CertificateIssued,
    CertificateRefused,
)
from contracts.messages.cutover import SetCutover, ShowCutover
from contracts.messages.migration_project import (
    CreateProject,
    DeleteProject,
    ListProjects,
    SetDefaultProject,
    ShowProject,
    UpdateProject,
)
from contracts.messages.target_provisioner import (
    HelperStarted,
    LaunchLayerCreated,
    PointTaken,
    ProvisionerEvent,
    ProvisioningFailed,
    TargetFinished,
    TargetLaunched,
    TargetProvisioned,
    TargetRehearsed,
    TargetReleased,
    VolumeLost,
)
from contracts.messages.task import (
    ActOnTask,
    CreateTask,
    ListTasks,
    PlanTask,
    RehearseTask,
    ShowHistory,
    ShowTask,
)
from contracts.messages.task_settings import (
    ConfigureTask,
    DeleteTasks,
    OperateTask,
    RecordConsistency,
    RecordNetworkCheck,
    SetSpeedLimits,
    ShowConfiguration,
    ShowSpeedLimits,
    UpdateTask,
)
from contracts.messages.template import (
    CreateTemplate,
    DeleteTemplates,
    ListTemplates,
    ShowTargetPassword,
    ShowTemplate,
    UpdateTemplate,
)
from contracts.messages.verification import ShowVerification
from contracts.messages.wave import (
    ActOnWave,
    CheckWave,
    CreateWave,
    DeleteWave,
    LimitWave,
    ListWaves,
    ShowWave,
    UpdateWave,
)
from contracts.subjects import agent_status_filter, evt_filter, req
from services.task.handlers import AnswerHandlers
from services.task.offer_handlers import OfferHandlers
from services.task.operation_handlers import OperationHandlers
from services.task.project_handlers import ProjectHandlers
from services.task.rehearsal_handlers import RehearsalHandlers
from services.task.request_handlers import RequestHandlers
from services.task.setting_handlers import SettingHandlers
from services.task.template_handlers import TemplateHandlers
from services.task.wave_handlers import WaveHandlers
from shared.bus import ServiceBus

_PROVISIONER_EVENTS: Final[dict[str, type[ProvisionerEvent]]] = {
    "provisioned": TargetProvisioned,
    "helper-started": HelperStarted,
    "point-taken": PointTaken,
    "launch-layer-created": LaunchLayerCreated,
    "launched": TargetLaunched,
    "rehearsed": TargetRehearsed,
    "finished": TargetFinished,
    "released": TargetReleased,
    "failed": ProvisioningFailed,
    "volume-lost": VolumeLost,
}


def subscribe(
    bus: ServiceBus,
    answers: AnswerHandlers,
    requests: RequestHandlers,
    operations: OperationHandlers,
    rehearsals: RehearsalHandlers,
) -> None:
    """Declare everything that this service reacts to."""
    bus.on_request(req("task", "create"), CreateTask, requests.create)
    bus.on_request(req("task", "plan"), PlanTask, requests.plan)
    bus.on_request(req("task", "act"), ActOnTask, operations.act)
    bus.on_request(req("task", "rehearse"), RehearseTask, rehearsals.rehearse)
    bus.on_request(req("task", "operate"), OperateTask, operations.operate)
    bus.on_request(req("task", "delete-many"), DeleteTasks, operations.delete_many)
    bus.on_request(req("task", "show"), ShowTask, requests.show)
    bus.on_request(req("task", "verification"), ShowVerification, requests.verification)
    bus.on_request(req("task", "list"), ListTasks, requests.list_tasks)
    bus.on_request(req("task", "history"), ShowHistory, requests.history)
    for what, model in _PROVISIONER_EVENTS.items():
        bus.on_event(evt_filter("target", what), model, answers.on_provisioner_event)
    bus.on_event(evt_filter("certificate", "authority-created"), AuthorityCreated, answers.on_authority_created)
    bus.on_event(evt_filter("certificate", "authority-destroyed"), AuthorityDestroyed, answers.on_authority_destroyed)
    bus.on_event(evt_filter("certificate", "issued"), CertificateIssued, answers.on_certificate)
    bus.on_event(evt_filter("certificate", "refused"), CertificateRefused, answers.on_certificate)
    bus.on_event(agent_status_filter("result"), AgentResult, answers.on_agent_result)
    bus.on_core(agent_status_filter("progress"), AgentProgress, answers.on_agent_progress, is_shared=False)
    bus.on_core(agent_status_filter("sync-round"), AgentSyncRound, answers.on_agent_sync_round, is_shared=False)


def subscribe_catalogue(
    bus: ServiceBus, templates: TemplateHandlers, projects: ProjectHandlers, offers: OfferHandlers
) -> None:
    """Declare what is asked beside tasks: templates, projects, what may be chosen, errors, consents."""
    bus.on_request(req("task", "create-template"), CreateTemplate, templates.create)
    bus.on_request(req("task", "update-template"), UpdateTemplate, templates.update)
    bus.on_request(req("task", "show-template"), ShowTemplate, templates.show)
    bus.on_request(req("task", "list-templates"), ListTemplates, templates.list_templates)
    bus.on_request(req("task", "delete-templates"), DeleteTemplates, templates.delete)
    bus.on_request(req("task", "show-target-password"), ShowTargetPassword, templates.show_target_password)
    bus.on_request(req("task", "create-project"), CreateProject, projects.create)
    bus.on_request(req("task", "update-project"), UpdateProject, projects.update)
    bus.on_request(req("task", "set-default-project"), SetDefaultProject, projects.set_default)
    bus.on_request(req("task", "delete-project"), DeleteProject, projects.delete)
    bus.on_request(req("task", "show-project"), ShowProject, projects.show)
    bus.on_request(req("task", "list-projects"), ListProjects, projects.list_projects)
    bus.on_request(req("task", "show-offer"), ShowOffer, offers.show_offer)
    bus.on_request(req("task", "list-errors"), ListTaskErrors, offers.list_errors)
    bus.on_request(req("task", "accept-privacy-agreement"), AcceptPrivacyAgreement, offers.accept_agreement)
    bus.on_request(req("task", "show-privacy-agreement"), ShowPrivacyAgreement, offers.show_agreement)


def subscribe_settings(bus: ServiceBus, settings: SettingHandlers) -> None:
    """What users set on tasks, and what agents that speak HTTP report into them."""
    bus.on_request(req("task", "update"), UpdateTask, settings.update)
    bus.on_request(req("task", "set-speed-limits"), SetSpeedLimits, settings.set_speed_limits)
    bus.on_request(req("task", "speed-limits"), ShowSpeedLimits, settings.speed_limits)
    bus.on_request(req("task", "configure"), ConfigureTask, settings.configure)
    bus.on_request(req("task", "configuration"), ShowConfiguration, settings.configuration)
    bus.on_request(req("task", "set-cutover"), SetCutover, settings.set_cutover)
    bus.on_request(req("task", "show-cutover"), ShowCutover, settings.show_cutover)
    bus.on_request(req("task", "record-network-check"), RecordNetworkCheck, settings.record_network_check)
    bus.on_request(req("task", "record-consistency"), RecordConsistency, settings.record_consistency)


def subscribe_waves(bus: ServiceBus, waves: WaveHandlers) -> None:
    """Declare what is asked of waves."""
    bus.on_request(req("task", "create-wave"), CreateWave, waves.create)
    bus.on_request(req("task", "update-wave"), UpdateWave, waves.update)
    bus.on_request(req("task", "delete-wave"), DeleteWave, waves.delete)
    bus.on_request(req("task", "show-wave"), ShowWave, waves.show)
    bus.on_request(req("task", "list-waves"), ListWaves, waves.list_waves)
    bus.on_request(req("task", "check-wave"), CheckWave, waves.check)
    bus.on_request(req("task", "act-on-wave"), ActOnWave, waves.act)
    bus.on_request(req("task", "limit-wave"), LimitWave, waves.limit)
