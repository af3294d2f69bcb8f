"""One coroutine per request about migration projects."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from contracts.envelope import Envelope
from contracts.messages.migration_project import (
    CreateProject,
    DeleteProject,
    ListProjects,
    ProjectChanged,
    ProjectDetails,
    ProjectList,
    SetDefaultProject,
    ShowProject,
    UpdateProject,
)
from contracts.messages.reply import Accepted
from services.task.domain.ports import Projects, ServersByProject
from services.task.domain.projects import (
    ProjectBook,
    add_project,
    change_project,
    in_order,
    make_default,
    remove_project,
    show_project,
)
from shared.store import AlreadyAppliedError, ConflictError

_NAMESPACE: Final = uuid.UUID("e3a5b0c8-7d6f-4a51-8a2b-b9f61d8d7c25")
_ATTEMPTS: Final = 5

Change = Callable[[ProjectBook], ProjectBook]


class ProjectHandlers:
    """What users ask of migration projects. Servers lie with the registry, which is asked who lies where."""

    def __init__(self, projects: Projects, servers: ServersByProject) -> None:
        self._projects = projects
        self._servers = servers

    async def create(self, request: CreateProject, envelope: Envelope) -> Accepted:
        """Add a project."""
        identifier = uuid.uuid5(_NAMESPACE, f"{envelope.account}/{request.idempotency_key}").hex
        book, _ = await self._projects.load(envelope.account)
        if not book.has(identifier):
            cause = replace(envelope, id=f"request:{request.idempotency_key}")
            await self._change(
                identifier, "created", cause, lambda known: add_project(known, identifier, request.project)
            )
        return Accepted(id=identifier)

    async def update(self, request: UpdateProject, envelope: Envelope) -> Accepted:
        """Change what is given."""
        cause = replace(envelope, id=f"request:{request.idempotency_key}")
        await self._change(
            request.project_id,
            "updated",
            cause,
            lambda book: change_project(book, request.project_id, request.changes),
        )
        return Accepted(id=request.project_id)

    async def set_default(self, request: SetDefaultProject, envelope: Envelope) -> Accepted:
        """Exactly one project is the default, before and after."""
        await self._change(
            request.project_id, "defaulted", envelope, lambda book: make_default(book, request.project_id)
        )
        return Accepted(id=request.project_id)

    async def delete(self, request: DeleteProject, envelope: Envelope) -> Accepted:
        """Remove a project in which nothing lies."""
        book, _ = await self._projects.load(envelope.account)
        remove_project(book, request.project_id, server_count=0)  # what needs no look at the registry is refused first
        count = (await self._counts(book, envelope)).get(request.project_id, 0)
        await self._change(
            request.project_id,
            "deleted",
            envelope,
            lambda known: remove_project(known, request.project_id, server_count=count),
        )
        return Accepted(id=request.project_id)

    async def show(self, request: ShowProject, envelope: Envelope) -> ProjectDetails:
        """One project."""
        book, _ = await self._projects.load(envelope.account)
        project = book.get(request.project_id)
        counts = await self._counts(book, envelope) if request.looks_for_servers else {}
        return ProjectDetails(project=show_project(book, project, has_servers=bool(counts.get(project.id))))

    async def list_projects(self, request: ListProjects, envelope: Envelope) -> ProjectList:
        """The default first."""
        book, _ = await self._projects.load(envelope.account)
        counts = await self._counts(book, envelope)
        page = in_order(book)[request.offset : request.offset + request.limit]
        return ProjectList(
            count=len(book.projects),
            projects=tuple(show_project(book, one, has_servers=bool(counts.get(one.id))) for one in page),
        )

    async def _counts(self, book: ProjectBook, envelope: Envelope) -> dict[str, int]:
        counts = dict(await self._servers.count_by_project(envelope))
        # A server that nobody has put anywhere lies in the default project.
        counts[book.default_id] = counts.get(book.default_id, 0) + counts.pop("", 0)
        return counts

    async def _change(
        self,
        project_id: str,
        what: Literal["created", "updated", "defaulted", "deleted"],
        cause: Envelope,
        change: Change,
    ) -> None:
        for attempt in range(_ATTEMPTS):
            book, version = await self._projects.load(cause.account)
            changed = change(book)
            named = book if what == "deleted" else changed
            event = ProjectChanged(
                project_id=project_id,
                name=named.get(project_id).name,
                change=what,
                default_id=changed.default_id,
            )
            try:
                await self._projects.save(cause.account, changed, event, expected_version=version, cause=cause)
            except AlreadyAppliedError:
                return
            except ConflictError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            return
