"""Templates on the wire. Disks are in GB, bandwidths in Mbit/s."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.gateway.domain.wire.base import WireReply, WireRequest

Text = Annotated[str, Field(max_length=255)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


class VpcObject(WireRequest):
    """A network; id ``autoCreate`` has one made."""

    id: Text | None = None
    name: Text | None = None
    cidr: Text | None = None


class Nics(WireRequest):
    """A network card in a subnet; ip: its own address, any free one without it."""

    id: Text
    name: Text
    cidr: Text
    ip: Text | None = None


class SgObject(WireRequest):
    """A security group."""

    id: Text
    name: Text


class PublicIp(WireRequest):
    """A public address with its bandwidth in Mbit/s."""

    type: Text
    bandwidth_size: Annotated[int, Field(ge=0, le=1 << 20)]
    bandwidth_share_type: Text | None = None


class TemplateDisk(WireRequest):
    """A disk; index from 0, size in GB."""

    id: int | None = None
    index: Annotated[int, Field(ge=0, le=1 << 20)]
    name: Text
    disktype: Text
    size: Annotated[int, Field(ge=0, le=1 << 30)]
    device_use: Text | None = None


class TemplateRequest(WireRequest):
    """A template as a user writes it; in an update, what is left out stays."""

    name: Name
    is_template: bool | None = None
    region: Text | None = None
    projectid: Text | None = None
    target_server_name: Text | None = None
    availability_zone: Text | None = None
    volumetype: Text | None = None
    flavor: Text | None = None
    vpc: VpcObject | None = None
    nics: Annotated[list[Nics], Field(max_length=64)] | None = None
    security_groups: Annotated[list[SgObject], Field(max_length=64)] | None = None
    publicip: PublicIp | None = None
    disk: Annotated[list[TemplateDisk], Field(max_length=64)] | None = None
    data_volume_type: Text | None = None
    target_password: str | None = Field(default=None, max_length=255, repr=False)
    image_id: Text | None = None


class CreateTemplateReq(WireRequest):
    """The body of a new template."""

    template: TemplateRequest


class UpdateTemplateReq(WireRequest):
    """The body of a change."""

    template: TemplateRequest


class DeletetemplatesReq(WireRequest):
    """Ids of templates to delete."""

    ids: Annotated[list[Annotated[str, Field(max_length=128)]], Field(min_length=1, max_length=1000)]


class TemplateResponseBody(WireReply):
    """A template as it is shown: its password never. is_template: "true" or "false", as the vendor has it."""

    id: str
    name: str
    is_template: str
    region: str
    projectid: str
    target_server_name: str
    availability_zone: str
    volumetype: str
    flavor: str
    vpc: VpcObject
    nics: list[Nics]
    security_groups: list[SgObject]
    publicip: PublicIp
    disk: list[TemplateDisk]
    data_volume_type: str
    target_password: str = ""
    image_id: str
    has_target_password: bool


class ListTemplatesResponse(WireReply):
    """count: all that match."""

    count: int
    templates: list[TemplateResponseBody]


class CreateTemplateResponse(WireReply):
    """The new template's id."""

    id: str


class ShowTemplateResponse(WireReply):
    """One template."""

    template: TemplateResponseBody


class TemplateDone(WireReply):
    """Nothing but that it was done."""


class DeletedTemplate(WireReply):
    """What became of one template of a bulk deletion."""

    id: str
    deleted: bool
    error_code: str | None = None
    error_msg: str | None = None


class DeleteTemplatesResponse(WireReply):
    """One entry per id, in the order of the request."""

    templates: list[DeletedTemplate]


class ShowTargetPasswordResponse(WireReply):
    """The secret, in the one answer that holds it."""

    template_id: str
    target_password: str
