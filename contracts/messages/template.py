"""Templates of targets: what a new target server is to be like, kept under a name.

Sizes are bytes and rates bit/s here as everywhere; the HTTPS API converts them from GB and Mbit/s.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Literal

from pydantic import Field

from contracts.base import Message, MessageKind, Model
from contracts.items import ItemOutcome

# As the id of a network, a network card or a security group: one is made.
AUTO_CREATE: Final = "autoCreate"


class TemplateNetwork(Model):
    """A network, or the subnet of a network card. cidr: such as ``192.168.0.0/16``. address: the card's own, "" for
    any free one."""

    id: str = ""
    name: str = ""
    cidr: str = ""
    address: str = ""


class TemplateSecurityGroup(Model):
    """A security group by id."""

    id: str
    name: str = ""


class TemplatePublicAddress(Model):
    """A public address that the target gets. share_type: whether it has its bandwidth for itself."""

    kind: str = ""
    bandwidth_bit_s: int = 0
    share_type: str = ""


class TemplateDisk(Model):
    """One disk of the target. index: its place, from 0; the disk of this place is made with size_bytes."""

    id: int | None = None
    index: int
    name: str
    disk_type: str
    size_bytes: int
    use: str = ""


class TargetPlacement(Model):
    """Where and as what a target is made. flavor: its CPUs and memory, on the local provider ``local.<CPUs>c<GiB>g``;
    "" for the default. The other fields mean what the provider makes of them; the local provider has one region."""

    region: str = ""
    cloud_project_id: str = ""
    availability_zone: str = ""
    target_server_name: str = ""
    flavor: str = ""
    image_id: str = ""
    system_disk_type: str = ""
    data_disk_type: str = ""


class TemplateFields(TargetPlacement):
    """What a template says. is_general: it may be used for any task; false for one that belongs to one task only."""

    name: str
    is_general: bool = True
    network: TemplateNetwork | None = None
    network_cards: tuple[TemplateNetwork, ...] = ()
    security_groups: tuple[TemplateSecurityGroup, ...] = ()
    public_address: TemplatePublicAddress | None = None
    disks: tuple[TemplateDisk, ...] = ()


class TemplateChanges(Model):
    """New values of a template; None leaves a field as it is. target_password: a secret, "" removes it."""

    name: str | None = None
    is_general: bool | None = None
    region: str | None = None
    cloud_project_id: str | None = None
    availability_zone: str | None = None
    target_server_name: str | None = None
    flavor: str | None = None
    image_id: str | None = None
    system_disk_type: str | None = None
    data_disk_type: str | None = None
    network: TemplateNetwork | None = None
    network_cards: tuple[TemplateNetwork, ...] | None = None
    security_groups: tuple[TemplateSecurityGroup, ...] | None = None
    public_address: TemplatePublicAddress | None = None
    disks: tuple[TemplateDisk, ...] | None = None
    target_password: str | None = Field(default=None, repr=False)


class TemplateView(TemplateFields):
    """A template as it is shown, its password apart. cpu_count and memory_bytes: what its flavor means."""

    id: str
    has_target_password: bool = False
    cpu_count: int = 0
    memory_bytes: int = 0
    created_at: datetime
    updated_at: datetime


class CreateTemplate(Message):
    """Request ``task.create-template``. idempotency_key: repeated, it answers with the same template."""

    TYPE: ClassVar[str] = "sms.template.create"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    template: TemplateChanges


class UpdateTemplate(Message):
    """Request ``task.update-template``. Tasks that were made from it before keep what they have."""

    TYPE: ClassVar[str] = "sms.template.update"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    template_id: str
    changes: TemplateChanges


class ListTemplates(Message):
    """Request ``task.list-templates``: those that match every filter that is not "", in the order of their ids.

    name: any part of the name. offset: how many of the matching ones are passed over.
    """

    TYPE: ClassVar[str] = "sms.template.list"
    KIND: ClassVar[MessageKind] = "request"
    name: str = ""
    availability_zone: str = ""
    region: str = ""
    template_id: str = ""
    limit: int = 50
    offset: int = 0


class TemplateList(Message):
    """count: all that match. A page may be shorter than limit: a message has a largest size."""

    TYPE: ClassVar[str] = "sms.template.template-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    templates: tuple[TemplateView, ...]


class ShowTemplate(Message):
    """Request ``task.show-template``."""

    TYPE: ClassVar[str] = "sms.template.show"
    KIND: ClassVar[MessageKind] = "request"
    template_id: str


class TemplateDetails(Message):
    """One template."""

    TYPE: ClassVar[str] = "sms.template.details"
    KIND: ClassVar[MessageKind] = "reply"
    template: TemplateView


class DeleteTemplates(Message):
    """Request ``task.delete-templates``: each by itself; one that is unknown stops no other."""

    TYPE: ClassVar[str] = "sms.template.delete"
    KIND: ClassVar[MessageKind] = "request"
    template_ids: tuple[str, ...]


class TemplatesDeleted(Message):
    """What became of each, in the order of the request."""

    TYPE: ClassVar[str] = "sms.template.deleted"
    KIND: ClassVar[MessageKind] = "reply"
    items: tuple[ItemOutcome, ...]


class ShowTargetPassword(Message):
    """Request ``task.show-target-password``."""

    TYPE: ClassVar[str] = "sms.template.show-target-password"
    KIND: ClassVar[MessageKind] = "request"
    template_id: str


class TargetPassword(Message):
    """The secret, in the one reply that holds it; "" when the template has none."""

    TYPE: ClassVar[str] = "sms.template.target-password"
    KIND: ClassVar[MessageKind] = "reply"
    template_id: str
    target_password: str = Field(repr=False)


class TemplateChanged(Message):
    """Event ``template.<id>.changed``: created, updated or deleted; never what its password is."""

    TYPE: ClassVar[str] = "sms.template.changed"
    KIND: ClassVar[MessageKind] = "event"
    template_id: str
    name: str
    change: Literal["created", "updated", "deleted"]
