"""Migration projects: named defaults for migrations, and the drawer in which source servers lie."""

from __future__ import annotations

import uuid
from typing import ClassVar, Final, Literal

from contracts.base import Message, MessageKind, Model

_NAMESPACE: Final = uuid.UUID("5d3b5f0e-0d3a-4a7b-8d3f-6f6b1c9a2e47")


def first_project_id(account: str) -> str:
    """The id of the project that every account begins with. It is known before the project is first asked for, so
    that the registry can put an account's first server into it without asking anybody."""
    return uuid.uuid5(_NAMESPACE, account).hex


class MigrationChoices(Model):
    """How a migration goes about it. uses_public_address: data goes to the target's public address. syncs: goes on with
    sync rounds after the first copy. starts_target: the target runs after a migration. checks_network: the network is
    measured before the copy."""

    uses_public_address: bool = True
    syncs: bool = False
    starts_target: bool = True
    checks_network: bool = False


class ProjectFields(MigrationChoices):
    """What a project says. migration_type: of tasks that a wave makes. rate_limit_bit_s: 0 for none."""

    name: str
    description: str = ""
    region: str = ""
    migration_type: Literal["file", "block"] = "file"
    enterprise_project: str = ""
    rate_limit_bit_s: int = 0


class ProjectChanges(Model):
    """New values of a project; None leaves a field as it is. is_default: true makes it the account's default; the
    default ceases to be it only when another one becomes it."""

    name: str | None = None
    description: str | None = None
    region: str | None = None
    migration_type: Literal["file", "block"] | None = None
    enterprise_project: str | None = None
    rate_limit_bit_s: int | None = None
    uses_public_address: bool | None = None
    syncs: bool | None = None
    starts_target: bool | None = None
    checks_network: bool | None = None
    is_default: bool | None = None


class ProjectView(ProjectFields):
    """A project as it is shown. has_servers: source servers lie in it; only `show` and `list` look that up."""

    id: str
    is_default: bool = False
    has_servers: bool = False


class CreateProject(Message):
    """Request ``task.create-project``. idempotency_key: repeated, it answers with the same project."""

    TYPE: ClassVar[str] = "sms.project.create"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    project: ProjectChanges


class UpdateProject(Message):
    """Request ``task.update-project``. Tasks that were made in it before keep what they have."""

    TYPE: ClassVar[str] = "sms.project.update"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    project_id: str
    changes: ProjectChanges


class SetDefaultProject(Message):
    """Request ``task.set-default-project``: new servers go into it from now on."""

    TYPE: ClassVar[str] = "sms.project.set-default"
    KIND: ClassVar[MessageKind] = "request"
    project_id: str


class DeleteProject(Message):
    """Request ``task.delete-project``: refused for the default one, and while servers lie in it."""

    TYPE: ClassVar[str] = "sms.project.delete"
    KIND: ClassVar[MessageKind] = "request"
    project_id: str


class ListProjects(Message):
    """Request ``task.list-projects``: the default one first, the others by name."""

    TYPE: ClassVar[str] = "sms.project.list"
    KIND: ClassVar[MessageKind] = "request"
    limit: int = 50
    offset: int = 0


class ProjectList(Message):
    """count: all of the account."""

    TYPE: ClassVar[str] = "sms.project.project-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    projects: tuple[ProjectView, ...]


class ShowProject(Message):
    """Request ``task.show-project``. project_id: "" for the default one. looks_for_servers: false leaves has_servers
    at false, and the registry unasked."""

    TYPE: ClassVar[str] = "sms.project.show"
    KIND: ClassVar[MessageKind] = "request"
    project_id: str = ""
    looks_for_servers: bool = True


class ProjectDetails(Message):
    """One project."""

    TYPE: ClassVar[str] = "sms.project.details"
    KIND: ClassVar[MessageKind] = "reply"
    project: ProjectView


class ProjectChanged(Message):
    """Event ``project.<id>.changed``: created, updated, made the default or deleted.

    default_id: the account's default project from now on.
    """

    TYPE: ClassVar[str] = "sms.project.changed"
    KIND: ClassVar[MessageKind] = "event"
    project_id: str
    name: str
    change: Literal["created", "updated", "defaulted", "deleted"]
    default_id: str
