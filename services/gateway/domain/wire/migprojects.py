"""Migration projects on the wire. Rates are in Mbit/s."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.gateway.domain.wire.base import WireReply, WireRequest
from services.gateway.domain.wire.tasks import TaskType

Text = Annotated[str, Field(max_length=255)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Rate = Annotated[int, Field(ge=0, le=1000)]


class MigProject(WireRequest):
    """A project as a user changes it; what is left out stays. speed_limit: 0 for none."""

    name: Name | None = None
    description: Text | None = None
    isdefault: bool | None = None
    region: Text | None = None
    start_target_server: bool | None = None
    speed_limit: Rate | None = None
    use_public_ip: bool | None = None
    exist_server: bool | None = None
    type: TaskType | None = None
    enterprise_project: Text | None = None
    syncing: bool | None = None
    start_network_check: bool | None = None


class PostMigProjectBody(MigProject):
    """A new project."""

    name: Name
    region: Text
    type: TaskType


class ShowMigprojectResponse(WireReply):
    """A project. exist_server: source servers lie in it."""

    name: str
    description: str
    isdefault: bool
    region: str
    start_target_server: bool
    speed_limit: int
    use_public_ip: bool
    exist_server: bool
    type: TaskType
    enterprise_project: str
    syncing: bool
    start_network_check: bool


class MigprojectsResponseBody(ShowMigprojectResponse):
    """A project of a list."""

    id: str


class ListMigprojectsResponse(WireReply):
    """count: all of the account."""

    count: int
    migprojects: list[MigprojectsResponseBody]


class CreateMigprojectResponse(WireReply):
    """The new project's id."""

    id: str


class ProjectDone(WireReply):
    """Nothing but that it was done."""
