"""The migration projects of an account: all in one record, so that their number, their names and the one default
are true at any time."""

from __future__ import annotations

from typing import Final

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.project import (
    PROJECT_HAS_SERVERS,
    PROJECT_INVALID,
    PROJECT_IS_DEFAULT,
    PROJECT_LIMIT,
    PROJECT_NAME_TAKEN,
    PROJECT_NOT_FOUND,
)
from contracts.messages.migration_project import ProjectChanges, ProjectFields, ProjectView, first_project_id
from services.task.domain.names import why_no_name, why_no_text

# As many as the vendor allows.
MOST_PROJECTS: Final = 50
_HIGHEST_RATE_BIT_S: Final = 1000 * 10**6
_FIRST_NAME: Final = "default"


class Project(ProjectFields):
    """One project."""

    id: str


class ProjectBook(Model):
    """An account's projects; exactly one of them has default_id."""

    projects: tuple[Project, ...]
    default_id: str

    def get(self, project_id: str) -> Project:
        """ "" is the default. Raises MigrationError SMS.PROJECT.NOT_FOUND."""
        wanted = project_id or self.default_id
        for project in self.projects:
            if project.id == wanted:
                return project
        raise MigrationError(PROJECT_NOT_FOUND, project_id=project_id)

    def has(self, project_id: str) -> bool:
        """Whether there is one of this id."""
        return any(project.id == project_id for project in self.projects)


def first_book(account: str) -> ProjectBook:
    """What every account begins with."""
    identifier = first_project_id(account)
    return ProjectBook(projects=(Project(id=identifier, name=_FIRST_NAME),), default_id=identifier)


def add_project(book: ProjectBook, identifier: str, changes: ProjectChanges) -> ProjectBook:
    """Raises MigrationError SMS.PROJECT.INVALID, LIMIT, NAME_TAKEN."""
    if len(book.projects) >= MOST_PROJECTS:
        raise MigrationError(PROJECT_LIMIT, count=len(book.projects), limit=MOST_PROJECTS)
    return _put(book, Project(id=identifier, name=""), changes)


def change_project(book: ProjectBook, project_id: str, changes: ProjectChanges) -> ProjectBook:
    """Raises MigrationError SMS.PROJECT.NOT_FOUND, INVALID, NAME_TAKEN, IS_DEFAULT."""
    project = book.get(project_id)
    if changes.is_default is False and project.id == book.default_id:
        raise MigrationError(PROJECT_IS_DEFAULT, name=project.name)
    return _put(book, project, changes)


def make_default(book: ProjectBook, project_id: str) -> ProjectBook:
    """Raises MigrationError SMS.PROJECT.NOT_FOUND."""
    return book.model_copy(update={"default_id": book.get(project_id).id})


def remove_project(book: ProjectBook, project_id: str, *, server_count: int) -> ProjectBook:
    """Raises MigrationError SMS.PROJECT.NOT_FOUND, IS_DEFAULT, HAS_SERVERS."""
    project = book.get(project_id)
    if project.id == book.default_id:
        raise MigrationError(PROJECT_IS_DEFAULT, name=project.name)
    if server_count:
        raise MigrationError(PROJECT_HAS_SERVERS, count=server_count, name=project.name)
    return book.model_copy(update={"projects": tuple(one for one in book.projects if one.id != project.id)})


def show_project(book: ProjectBook, project: Project, *, has_servers: bool) -> ProjectView:
    """As it is shown."""
    return ProjectView(**dict(project), is_default=project.id == book.default_id, has_servers=has_servers)


def in_order(book: ProjectBook) -> list[Project]:
    """The default first, the others by name."""
    return sorted(book.projects, key=lambda project: (project.id != book.default_id, project.name))


def _put(book: ProjectBook, project: Project, changes: ProjectChanges) -> ProjectBook:
    given = {name: value for name in ProjectFields.model_fields if (value := getattr(changes, name)) is not None}
    changed = project.model_copy(update=given)
    _refuse_unfit(changed)
    others = tuple(one for one in book.projects if one.id != changed.id)
    for other in others:
        if other.name == changed.name:
            raise MigrationError(PROJECT_NAME_TAKEN, name=changed.name, project_id=other.id)
    default_id = changed.id if changes.is_default else book.default_id
    return ProjectBook(projects=(*others, changed), default_id=default_id)


def _refuse_unfit(project: Project) -> None:
    reasons = {
        "name": why_no_name(project.name),
        "description": why_no_text(project.description),
        "region": why_no_text(project.region),
        "enterprise_project": why_no_text(project.enterprise_project),
    }
    if not 0 <= project.rate_limit_bit_s <= _HIGHEST_RATE_BIT_S:
        rate, most = project.rate_limit_bit_s // 10**6, _HIGHEST_RATE_BIT_S // 10**6
        reasons["speed_limit"] = f"it is {rate} Mbit/s, not 0 to {most}"
    for field, reason in reasons.items():
        if reason:
            raise MigrationError(PROJECT_INVALID, field=field, reason=reason)
