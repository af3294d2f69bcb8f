"""Templates and migration projects in the store, each change with its event in one write."""

from __future__ import annotations

from typing import Final, Literal

from contracts import subjects
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.template import TEMPLATE_NOT_FOUND
from contracts.messages.migration_project import ProjectChanged
from contracts.messages.task import CreateTask
from contracts.messages.template import TemplateChanged
from services.task.domain.choosing import Chosen, choose
from services.task.domain.projects import ProjectBook, first_book
from services.task.domain.templates import Template
from shared.store import Collection, OutgoingMessage, Store
from shared.store.typed import TypedCollection

TEMPLATES: Final = Collection(name="templates")
PROJECT_BOOKS: Final = Collection(name="project_books")
_SERVICE: Final = "task"
_BOOK: Final = "projects"
_PAGE: Final = 500


class TemplateRecords:
    """The port Templates."""

    def __init__(self, store: Store) -> None:
        self._templates = TypedCollection(store, TEMPLATES, Template)

    async def load(self, account: str, template_id: str) -> tuple[Template, int]:
        """See Templates."""
        stored = await self._templates.load(account, template_id) if template_id else None
        if stored is None:
            raise MigrationError(TEMPLATE_NOT_FOUND, template_id=template_id)
        return stored.value, stored.version

    async def save(
        self, template: Template, *, expected_version: int, change: Literal["created", "updated"], cause: Envelope
    ) -> None:
        """See Templates."""
        await self._templates.save(
            template.account,
            template.id,
            template,
            expected_version=expected_version,
            outbox=[_template_event(template, change, cause)],
            applied=cause.id,
        )

    async def delete(self, template: Template, *, expected_version: int, cause: Envelope) -> None:
        """See Templates."""
        event = _template_event(template, "deleted", cause)
        await self._templates.delete(template.account, template.id, expected_version=expected_version, outbox=[event])

    async def all(self, account: str) -> list[Template]:
        """See Templates."""
        found: list[Template] = []
        after = ""
        while True:
            page = await self._templates.find(account, after=after, limit=_PAGE)
            found += [row.value for row in page]
            if len(page) < _PAGE:
                return found
            after = page[-1].id


class ProjectRecords:
    """The port Projects: all projects of an account are one record, which exists without being written."""

    def __init__(self, store: Store) -> None:
        self._books = TypedCollection(store, PROJECT_BOOKS, ProjectBook)

    async def load(self, account: str) -> tuple[ProjectBook, int]:
        """See Projects."""
        stored = await self._books.load(account, _BOOK)
        return (first_book(account), 0) if stored is None else (stored.value, stored.version)

    async def save(
        self, account: str, book: ProjectBook, event: ProjectChanged, *, expected_version: int, cause: Envelope
    ) -> None:
        """See Projects."""
        subject = subjects.evt(account, "project", event.project_id, "changed")
        message = OutgoingMessage.of(subject, event, source=_SERVICE, account=account, cause=cause)
        await self._books.save(
            account, _BOOK, book, expected_version=expected_version, outbox=[message], applied=cause.id
        )


class CatalogueInTheStore:
    """The port Catalogue."""

    def __init__(self, templates: TemplateRecords, projects: ProjectRecords) -> None:
        self._templates = templates
        self._projects = projects

    async def choose(self, request: CreateTask, account: str, *, disk_count: int) -> Chosen:
        """See Catalogue."""
        template = (await self._templates.load(account, request.template_id))[0] if request.template_id else None
        book, _ = await self._projects.load(account)
        return choose(request, template, book.get(request.project_id), disk_count=disk_count)


def _template_event(
    template: Template, change: Literal["created", "updated", "deleted"], cause: Envelope
) -> OutgoingMessage:
    return OutgoingMessage.of(
        subjects.evt(template.account, "template", template.id, "changed"),
        TemplateChanged(template_id=template.id, name=template.name, change=change),
        source=_SERVICE,
        account=template.account,
        cause=cause,
    )
