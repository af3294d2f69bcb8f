"""Migration projects: named defaults, and where source servers lie."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from contracts.messages.migration_project import (
    CreateProject,
    DeleteProject,
    ListProjects,
    ProjectDetails,
    ProjectList,
    SetDefaultProject,
    ShowProject,
    UpdateProject,
)
from contracts.messages.reply import Accepted
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.migprojects import changes_of, listed, shown
from services.gateway.domain.wire.migprojects import (
    CreateMigprojectResponse,
    ListMigprojectsResponse,
    MigProject,
    PostMigProjectBody,
    ProjectDone,
    ShowMigprojectResponse,
)

router = ApiRouter(tag="migprojects")

_ALL = 50


@router.get("/v3/migprojects", action="sms:project:list", operation_id="list_migprojects")
async def list_migprojects(
    call: ApiCall,
    limit: Annotated[int, Query(ge=0, le=1000)] = _ALL,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
) -> ListMigprojectsResponse:
    """The account's projects, the default one first. limit 0 stands for 50, which is all that there can be."""
    page = await call.ask("task", "list-projects", ListProjects(limit=limit or _ALL, offset=offset), ProjectList)
    return ListMigprojectsResponse(count=page.count, migprojects=[listed(project) for project in page.projects])


@router.post("/v3/migprojects", action="sms:project:create", operation_id="create_migproject")
async def create_migproject(call: ApiCall, body: PostMigProjectBody) -> CreateMigprojectResponse:
    """Make a project."""
    request = CreateProject(idempotency_key=call.idempotency_key, project=changes_of(body))
    return CreateMigprojectResponse(id=(await call.ask("task", "create-project", request, Accepted)).id)


@router.get(
    "/v3/migprojects/{mig_project_id}",
    action="sms:project:get",
    resource="project:{mig_project_id}",
    operation_id="show_migproject",
)
async def show_migproject(call: ApiCall, mig_project_id: str) -> ShowMigprojectResponse:
    """One project."""
    found = await call.ask("task", "show-project", ShowProject(project_id=mig_project_id), ProjectDetails)
    return shown(found.project)


@router.put(
    "/v3/migprojects/{mig_project_id}",
    action="sms:project:update",
    resource="project:{mig_project_id}",
    operation_id="update_migproject",
)
async def update_migproject(call: ApiCall, mig_project_id: str, body: MigProject) -> ProjectDone:
    """Change a project. Tasks that were made in it keep what they have."""
    request = UpdateProject(idempotency_key=call.idempotency_key, project_id=mig_project_id, changes=changes_of(body))
    await call.ask("task", "update-project", request, Accepted)
    return ProjectDone()


@router.put(
    "/v3/migprojects/{mig_project_id}/default",
    action="sms:project:update",
    resource="project:{mig_project_id}",
    operation_id="update_default_migproject",
)
async def update_default_migproject(call: ApiCall, mig_project_id: str) -> ProjectDone:
    """Make a project the account's default, instead of the one that is."""
    await call.ask("task", "set-default-project", SetDefaultProject(project_id=mig_project_id), Accepted)
    return ProjectDone()


@router.delete(
    "/v3/migprojects/{mig_project_id}",
    action="sms:project:delete",
    resource="project:{mig_project_id}",
    operation_id="delete_migproject",
)
async def delete_migproject(call: ApiCall, mig_project_id: str) -> ProjectDone:
    """Delete a project that is not the default and in which no server lies."""
    await call.ask("task", "delete-project", DeleteProject(project_id=mig_project_id), Accepted)
    return ProjectDone()
