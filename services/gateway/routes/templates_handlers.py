"""Templates: what new target servers are to be like."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from contracts.errors import Failure, MigrationError
from contracts.errors.api import API_DENIED
from contracts.messages.reply import Accepted
from contracts.messages.template import (
    CreateTemplate,
    DeleteTemplates,
    ListTemplates,
    ShowTargetPassword,
    ShowTemplate,
    TargetPassword,
    TemplateDetails,
    TemplateList,
    TemplatesDeleted,
    TemplateView,
    UpdateTemplate,
)
from services.gateway.api.call import ApiCall
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.templates import changes_of, shown
from services.gateway.domain.wire.templates import (
    CreateTemplateReq,
    CreateTemplateResponse,
    DeletedTemplate,
    DeletetemplatesReq,
    DeleteTemplatesResponse,
    ListTemplatesResponse,
    ShowTargetPasswordResponse,
    ShowTemplateResponse,
    TemplateDone,
    UpdateTemplateReq,
)

router = ApiRouter(tag="templates")

DEFAULT_LIMIT = 50


@router.get("/v3/vm/templates", action="sms:template:list", operation_id="list_templates")
async def list_templates(
    call: ApiCall,
    *,
    name: Annotated[str, Query(max_length=255)] = "",
    availability_zone: Annotated[str, Query(max_length=255)] = "",
    region: Annotated[str, Query(max_length=255)] = "",
    limit: Annotated[int, Query(ge=0, le=1000)] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
    id: Annotated[str, Query(max_length=128)] = "",  # noqa: A002 - the wire's name
) -> ListTemplatesResponse:
    """Templates that all given filters let through. name: any part of it. limit 0 stands for 50."""
    wanted = limit or DEFAULT_LIMIT
    views: list[TemplateView] = []
    while True:
        request = ListTemplates(
            name=name,
            availability_zone=availability_zone,
            region=region,
            template_id=id,
            limit=wanted - len(views),
            offset=offset + len(views),
        )
        page = await call.ask("task", "list-templates", request, TemplateList)
        views += page.templates
        if not page.templates or len(views) >= wanted:
            return ListTemplatesResponse(count=page.count, templates=[shown(view) for view in views])


@router.post("/v3/vm/templates", action="sms:template:create", operation_id="create_template")
async def create_template(call: ApiCall, body: CreateTemplateReq) -> CreateTemplateResponse:
    """Make a template. Its password is kept sealed and shown by an operation of its own only."""
    request = CreateTemplate(idempotency_key=call.idempotency_key, template=changes_of(body.template))
    return CreateTemplateResponse(id=(await call.ask("task", "create-template", request, Accepted)).id)


@router.post("/v3/vm/templates/delete", action="sms:template:delete", operation_id="delete_templates")
async def delete_templates(call: ApiCall, body: DeletetemplatesReq) -> DeleteTemplatesResponse:
    """Delete templates, each on its own: what may not go, or is unknown, is reported and keeps no other."""
    ids = list(dict.fromkeys(body.ids))
    allowed = tuple([one for one in ids if await call.may("sms:template:delete", f"template:{one}")])
    found = await call.ask("task", "delete-templates", DeleteTemplates(template_ids=allowed), TemplatesDeleted)
    failures = {one.id: one.failure for one in found.items}
    return DeleteTemplatesResponse(
        templates=[_deleted(one, failures[one] if one in failures else _denied(call, one)) for one in ids]
    )


@router.get("/v3/vm/templates/{id}", action="sms:template:get", resource="template:{id}", operation_id="show_template")
async def show_template(call: ApiCall, id: str) -> ShowTemplateResponse:  # noqa: A002 - the wire's name
    """One template."""
    details = await call.ask("task", "show-template", ShowTemplate(template_id=id), TemplateDetails)
    return ShowTemplateResponse(template=shown(details.template))


@router.put(
    "/v3/vm/templates/{id}", action="sms:template:update", resource="template:{id}", operation_id="update_template"
)
async def update_template(
    call: ApiCall,
    id: str,  # noqa: A002 - the wire's name
    body: UpdateTemplateReq,
) -> TemplateDone:
    """Change a template. Tasks that were made from it keep what they have."""
    request = UpdateTemplate(idempotency_key=call.idempotency_key, template_id=id, changes=changes_of(body.template))
    await call.ask("task", "update-template", request, Accepted)
    return TemplateDone()


@router.delete(
    "/v3/vm/templates/{id}", action="sms:template:delete", resource="template:{id}", operation_id="delete_template"
)
async def delete_template(call: ApiCall, id: str) -> TemplateDone:  # noqa: A002 - the wire's name
    """Delete a template. Tasks that were made from it keep what they have."""
    found = await call.ask("task", "delete-templates", DeleteTemplates(template_ids=(id,)), TemplatesDeleted)
    for one in found.items:
        if one.failure is not None:
            raise MigrationError(one.failure)
    return TemplateDone()


@router.get(
    "/v3/vm/templates/{id}/target-password",
    action="sms:template:get_password",
    resource="template:{id}",
    operation_id="show_target_password",
)
async def show_target_password(
    call: ApiCall,
    id: str,  # noqa: A002 - the wire's name
) -> ShowTargetPasswordResponse:
    """The password of a template's targets."""
    found = await call.ask("task", "show-target-password", ShowTargetPassword(template_id=id), TargetPassword)
    return ShowTargetPasswordResponse(template_id=found.template_id, target_password=found.target_password)


def _deleted(template_id: str, failure: Failure | None) -> DeletedTemplate:
    if failure is None:
        return DeletedTemplate(id=template_id, deleted=True)
    return DeletedTemplate(
        id=template_id, deleted=False, error_code=failure.code, error_msg=f"{failure.cause} {failure.remedy}"
    )


def _denied(call: ApiCall, template_id: str) -> Failure:
    return API_DENIED.failure(user=call.user_name, action="sms:template:delete", resource=f"template:{template_id}")
