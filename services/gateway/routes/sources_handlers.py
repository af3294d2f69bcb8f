"""Source servers for their users: lists, names, tags, deletion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query

from contracts.errors import MigrationError
from contracts.errors.api import API_DENIED, API_INVALID_REQUEST
from contracts.errors.project import PROJECT_NOT_FOUND
from contracts.messages.migration_project import ProjectDetails, ProjectView, ShowProject
from contracts.messages.registry import DeleteServer
from contracts.messages.reply import Accepted
from contracts.messages.source import (
    MIGRATION_CYCLES,
    SOURCE_STATES,
    DeletedServer,
    DeleteServers,
    DiskWish,
    FindServers,
    FindServerTexts,
    ListTags,
    ServerOverview,
    ServersDeleted,
    ServerTags,
    ServerTexts,
    ShowOverview,
    ShowSourceServer,
    SourceServerDetails,
    SourceServerPage,
    TagList,
    TagServer,
    UntagServer,
    UpdateServer,
)
from services.gateway.api.agents import ApiAgents
from services.gateway.api.call import ApiCall, Call
from services.gateway.api.large_answer import large, written
from services.gateway.api.router import ApiRouter
from services.gateway.domain.mapping.sources import listing, overview, shown
from services.gateway.domain.wire.sources import (
    DeletedItem,
    DeleteIds,
    DeleteServersResponse,
    DeleteTagsReq,
    Done,
    ListServersResponse,
    PutSourceServerBody,
    PutTagsReq,
    ShowOverviewResponse,
    ShowServerResponse,
)

router = ApiRouter(tag="sources")

DEFAULT_LIMIT: Final = 200
LARGEST_LIMIT: Final = 1000
# Everything is in the one enterprise project, which the vendor numbers 0.
_ENTERPRISE_PROJECTS: Final = ("", "0", "all_granted_eps")


@router.get("/v3/sources", action="sms:server:list", operation_id="list_servers")
async def list_servers(
    call: ApiCall,
    *,
    state: str = "",
    name: Annotated[str, Query(max_length=255)] = "",
    id: Annotated[str, Query(max_length=128)] = "",  # noqa: A002 - the wire's name
    ip: Annotated[str, Query(max_length=64)] = "",
    ipv6: Annotated[str, Query(max_length=64)] = "",
    migproject: Annotated[str, Query(max_length=128)] = "",
    limit: Annotated[int, Query(ge=0, le=LARGEST_LIMIT)] = 0,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
    migration_cycle: str = "",
    connected: bool | None = None,
    enterprise_project_id: Annotated[str, Query(max_length=64)] = "",
    is_consistency_result_exist: bool | None = None,
    vm_id: Annotated[str, Query(max_length=128)] = "",
    tag: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006 - FastAPI copies it
) -> ListServersResponse:
    """Source servers that all given filters let through, oldest registration first.

    limit 0 stands for 200. tag: ``key`` or ``key=value``, may be there several times.
    """
    _refuse_unknown("state", state, SOURCE_STATES)
    _refuse_unknown("migration_cycle", migration_cycle, MIGRATION_CYCLES)
    project = await _project(call, migproject) if migproject else None
    wanted = FindServerTexts(
        state=state,
        name=name,
        id=id,
        ip=ip,
        ipv6=ipv6,
        project_id=migproject,
        with_unassigned=project is not None and project.is_default,
        migration_cycle=migration_cycle,
        is_connected=connected,
        has_consistency_result=is_consistency_result_exist,
        vm_id=vm_id,
        tags=_tags(tag),
        limit=limit or DEFAULT_LIMIT,
        offset=offset,
    )
    if enterprise_project_id not in _ENTERPRISE_PROJECTS:
        return ListServersResponse(count=0, source_servers=[])
    count, servers = await _find(call, wanted)
    return written(listing(count, servers, datetime.now(UTC)), ListServersResponse)


@router.get("/v3/source-servers", action="sms:server:list", operation_id="list_source_servers")
async def list_source_servers(
    call: ApiCall,
    *,
    state: str = "",
    name: Annotated[str, Query(max_length=255)] = "",
    ip: Annotated[str, Query(max_length=64)] = "",
    project_id: Annotated[str, Query(max_length=128)] = "",
    migration_cycle: str = "",
    is_connected: bool | None = None,
    tag: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006 - FastAPI copies it
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
) -> SourceServerPage:
    """The same list in our own words; a page may be shorter than limit: ask again behind it."""
    _refuse_unknown("state", state, SOURCE_STATES)
    _refuse_unknown("migration_cycle", migration_cycle, MIGRATION_CYCLES)
    wanted = FindServers(
        state=state,
        name=name,
        ip=ip,
        project_id=project_id,
        migration_cycle=migration_cycle,
        is_connected=is_connected,
        tags=_tags(tag),
        limit=limit,
        offset=offset,
    )
    return await call.ask("registry", "find", wanted, SourceServerPage)


@router.get("/v3/source-servers/overview", action="sms:server:list", operation_id="show_source_overview")
async def show_source_overview(call: ApiCall) -> ServerOverview:
    """How many servers are in each state, and how many the account may have, in our own words."""
    return await call.ask("registry", "overview", ShowOverview(), ServerOverview)


@router.get("/v3/sources/overview", action="sms:server:list", operation_id="show_overview")
async def show_overview(call: ApiCall) -> ShowOverviewResponse:
    """How many servers are in each state, and how many the account may have."""
    return overview(await call.ask("registry", "overview", ShowOverview(), ServerOverview))


@router.get("/v3/sources/tags", action="sms:server:list", operation_id="list_server_tags")
async def list_server_tags(call: ApiCall) -> TagList:
    """Every tag key in use, with its values."""
    return await call.ask("registry", "list-tags", ListTags(), TagList)


@router.post("/v3/sources/delete", action="sms:server:delete", operation_id="delete_servers")
async def delete_servers(call: ApiCall, agents: ApiAgents, body: DeleteIds) -> DeleteServersResponse:
    """Delete servers, each on its own: what may not go, or is unknown, is reported and keeps no other."""
    ids = tuple(dict.fromkeys(body.ids))
    allowed = await _allowed(call, ids)
    found = await call.ask("registry", "delete-many", DeleteServers(server_ids=allowed), ServersDeleted)
    for one in found.servers:
        if one.failure is None:
            await agents.forget(call.account, one.id)
    outcomes = {one.id: _outcome(one) for one in found.servers}
    return DeleteServersResponse(servers=[outcomes.get(one) or _denied(call, one) for one in ids])


@router.get(
    "/v3/sources/{source_id}", action="sms:server:get", resource="server:{source_id}", operation_id="show_server"
)
async def show_server(call: ApiCall, source_id: str) -> ShowServerResponse:
    """One server: machine, checks, task, and what is proposed for its target."""
    message = ShowSourceServer(server_id=source_id)
    details = await call.ask("registry", "show-source", message, SourceServerDetails)
    return large(shown(details, datetime.now(UTC)))


@router.put(
    "/v3/sources/{source_id}",
    action="sms:server:update",
    resource="server:{source_id}",
    operation_id="update_server_name",
)
async def update_server_name(call: ApiCall, source_id: str, body: PutSourceServerBody) -> Done:
    """Rename a server, move it to another migration project, choose its disks for the target."""
    wishes = None
    if body.disks is not None:
        wishes = tuple(
            DiskWish(name=disk.id, is_wanted=disk.need_migration, size_bytes=disk.adjust_size) for disk in body.disks
        )
    if body.migprojectid and await _project(call, body.migprojectid) is None:
        raise MigrationError(PROJECT_NOT_FOUND, project_id=body.migprojectid)
    update = UpdateServer(server_id=source_id, name=body.name, project_id=body.migprojectid, disks=wishes)
    await call.ask("registry", "update", update, Accepted)
    return Done()


@router.delete(
    "/v3/sources/{source_id}", action="sms:server:delete", resource="server:{source_id}", operation_id="delete_server"
)
async def delete_server(call: ApiCall, agents: ApiAgents, source_id: str) -> Done:
    """Delete a server; refused while a task of it has not ended."""
    await call.ask("registry", "delete", DeleteServer(server_id=source_id), Accepted)
    await agents.forget(call.account, source_id)
    return Done()


@router.put(
    "/v3/sources/{source_id}/tags",
    action="sms:server:update",
    resource="server:{source_id}",
    operation_id="tag_server",
)
async def tag_server(call: ApiCall, source_id: str, body: PutTagsReq) -> ServerTags:
    """Set or replace tags of a server; answers all that it has then."""
    tags = {tag.key: tag.value for tag in body.tags}
    return await call.ask("registry", "tag", TagServer(server_id=source_id, tags=tags), ServerTags)


@router.post(
    "/v3/sources/{source_id}/tags/delete",
    action="sms:server:update",
    resource="server:{source_id}",
    operation_id="untag_server",
)
async def untag_server(call: ApiCall, source_id: str, body: DeleteTagsReq) -> ServerTags:
    """Remove tags of a server; one that it has not is no error."""
    return await call.ask("registry", "untag", UntagServer(server_id=source_id, keys=tuple(body.keys)), ServerTags)


async def _allowed(call: Call, server_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the user's policies let go: one question if it is all of them."""
    action = "sms:server:delete"
    if await call.may(action, *(f"server:{one}" for one in server_ids)):
        return server_ids
    return tuple([one for one in server_ids if await call.may(action, f"server:{one}")])


async def _find(call: Call, wanted: FindServerTexts) -> tuple[int, list[str]]:
    """The registry's pages end where a bus message does: asked for until the wire's page is full."""
    servers: list[str] = []
    while True:
        left = {"limit": wanted.limit - len(servers), "offset": wanted.offset + len(servers)}
        page = await call.ask("registry", "find-texts", wanted.model_copy(update=left), ServerTexts)
        servers += page.servers
        if not page.servers or len(servers) >= wanted.limit or wanted.offset + len(servers) >= page.count:
            return page.count, servers


def _tags(words: list[str]) -> dict[str, str]:
    """``key`` or ``key=value``; without a value any will do."""
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def _outcome(one: DeletedServer) -> DeletedItem:
    if one.failure is None:
        return DeletedItem(id=one.id, deleted=True)
    text = f"{one.failure.cause} {one.failure.remedy}"
    return DeletedItem(id=one.id, deleted=False, error_code=one.failure.code, error_msg=text)


def _denied(call: Call, server_id: str) -> DeletedItem:
    denied = API_DENIED.failure(user=call.user_name, action="sms:server:delete", resource=f"server:{server_id}")
    return _outcome(DeletedServer(id=server_id, failure=denied))


def _refuse_unknown(field: str, word: str, known: tuple[str, ...]) -> None:
    if word and word not in known:
        reason = f"it is none of {', '.join(known)}"
        raise MigrationError(API_INVALID_REQUEST, field=f"query parameter {field}", reason=reason)


async def _project(call: Call, project_id: str) -> ProjectView | None:
    """A migration project; None for an unknown one, in which nothing lies."""
    message = ShowProject(project_id=project_id, looks_for_servers=False)
    try:
        return (await call.ask("task", "show-project", message, ProjectDetails)).project
    except MigrationError as error:
        if error.code != PROJECT_NOT_FOUND.code:
            raise
        return None
