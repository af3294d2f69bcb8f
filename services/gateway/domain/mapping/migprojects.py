"""Between migration projects of the wire and those of the bus."""

from __future__ import annotations

from typing import Final, Literal

from contracts.messages.migration_project import ProjectChanges, ProjectView
from services.gateway.domain.wire.migprojects import MigProject, MigprojectsResponseBody, ShowMigprojectResponse
from services.gateway.domain.wire.tasks import TaskType

_MBIT: Final = 10**6
_TO_WIRE: Final[dict[Literal["file", "block"], TaskType]] = {"file": "MIGRATE_FILE", "block": "MIGRATE_BLOCK"}
_FROM_WIRE: Final[dict[TaskType, Literal["file", "block"]]] = {
    "MIGRATE_FILE": "file",
    "MIGRATE_BLOCK": "block",
}


def changes_of(body: MigProject) -> ProjectChanges:
    """What a user writes; None stays None. exist_server is passed over: whether servers lie in a project is looked
    up, whatever a client sends back."""
    return ProjectChanges(
        name=body.name,
        description=body.description,
        region=body.region,
        migration_type=None if body.type is None else _FROM_WIRE[body.type],
        enterprise_project=body.enterprise_project,
        rate_limit_bit_s=None if body.speed_limit is None else body.speed_limit * _MBIT,
        uses_public_address=body.use_public_ip,
        syncs=body.syncing,
        starts_target=body.start_target_server,
        checks_network=body.start_network_check,
        is_default=body.isdefault,
    )


def shown(view: ProjectView) -> ShowMigprojectResponse:
    """One project as a user sees it."""
    return ShowMigprojectResponse.model_validate(listed(view).model_dump())


def listed(view: ProjectView) -> MigprojectsResponseBody:
    """A project of a list as a user sees it."""
    return MigprojectsResponseBody(
        id=view.id,
        name=view.name,
        description=view.description,
        isdefault=view.is_default,
        region=view.region,
        start_target_server=view.starts_target,
        speed_limit=view.rate_limit_bit_s // _MBIT,
        use_public_ip=view.uses_public_address,
        exist_server=view.has_servers,
        type=_TO_WIRE[view.migration_type],
        enterprise_project=view.enterprise_project,
        syncing=view.syncs,
        start_network_check=view.checks_network,
    )
