"""A template and how it changes; what of it a task takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.template import TEMPLATE_INVALID
from contracts.messages.template import (
    AUTO_CREATE,
    ListTemplates,
    TemplateChanges,
    TemplateFields,
    TemplateNetwork,
    TemplatePublicAddress,
    TemplateView,
)
from services.task.domain.flavors import GIB, parse_flavor
from services.task.domain.names import why_no_name, why_no_server_name, why_no_text

MOST_TEMPLATES: Final = 1000
LONGEST_PASSWORD: Final = 128
_MOST_CARDS: Final = 12
_MOST_GROUPS: Final = 20
# The vendor allows 23 disks of a source besides the system disk.
_MOST_DISKS: Final = 24
_LARGEST_DISK_BYTES: Final = 32 * 1024 * GIB
_LARGEST_BANDWIDTH_BIT_S: Final = 2000 * 10**6
_TEXTS: Final = ("region", "cloud_project_id", "availability_zone", "image_id", "system_disk_type", "data_disk_type")


class Template(TemplateFields):
    """The record. sealed_password: opened for who may see it only; "" when there is none."""

    id: str
    account: str
    sealed_password: str = ""
    created_at: datetime
    updated_at: datetime


def new_template(changes: TemplateChanges, *, identifier: str, account: str, at: datetime) -> Template:
    """Raises MigrationError SMS.TEMPLATE.INVALID, SMS.TEMPLATE.FLAVOR_UNKNOWN."""
    blank = Template(id=identifier, account=account, name="", created_at=at, updated_at=at)
    return change_template(blank, changes, at)


def change_template(template: Template, changes: TemplateChanges, at: datetime) -> Template:
    """The password apart, which is not the domain's to seal. Raises as `new_template`."""
    given = {name: value for name in TemplateFields.model_fields if (value := getattr(changes, name)) is not None}
    changed = template.model_copy(update={**given, "updated_at": at})
    for field, reason in _defects(changed):
        raise MigrationError(TEMPLATE_INVALID, field=field, reason=reason)
    parse_flavor(changed.flavor)
    refuse_bad_password(changes.target_password or "")
    return changed


def refuse_bad_password(password: str) -> None:
    """Raises MigrationError SMS.TEMPLATE.INVALID; the text never holds the password."""
    if reason := why_no_text(password, longest=LONGEST_PASSWORD):
        raise MigrationError(TEMPLATE_INVALID, field="target_password", reason=reason)


def show_template(template: Template) -> TemplateView:
    """As it is shown: without its password."""
    flavor = parse_flavor(template.flavor)
    fields = {name: value for name, value in template if name not in {"account", "sealed_password"}}
    return TemplateView(
        **fields,
        has_target_password=bool(template.sealed_password),
        cpu_count=flavor.cpu_count,
        memory_bytes=flavor.memory_bytes,
    )


def matches(template: Template, request: ListTemplates) -> bool:
    """Whether a list with these filters shows it."""
    return (
        request.name in template.name
        and request.availability_zone in {"", template.availability_zone}
        and request.region in {"", template.region}
        and request.template_id in {"", template.id}
    )


def _defects(template: Template) -> Iterator[tuple[str, str]]:
    """(field, reason) of everything that does not fit."""
    if reason := why_no_name(template.name):
        yield "name", reason
    for field in _TEXTS:
        if reason := why_no_text(getattr(template, field)):
            yield field, reason
    if template.target_server_name and (reason := why_no_server_name(template.target_server_name)):
        yield "target_server_name", reason
    yield from _defects_of_the_network(template)
    yield from _defects_of_the_disks(template)


def _defects_of_the_network(template: Template) -> Iterator[tuple[str, str]]:
    cards, groups = template.network_cards, template.security_groups
    networks = [("network", template.network)] if template.network is not None else []
    for field, network in [*networks, *(("network_cards", card) for card in cards)]:
        if reason := _why_no_network(network):
            yield field, reason
    for group in groups:
        if reason := why_no_text(group.id + group.name) or ("" if group.id else "a security group has an id"):
            yield "security_groups", reason
    for field, ids, most in (
        ("network_cards", [card.id for card in cards], _MOST_CARDS),
        ("security_groups", [group.id for group in groups], _MOST_GROUPS),
    ):
        if len(ids) > most:
            yield field, f"there are {len(ids)}; {most} are allowed"
        if AUTO_CREATE in ids and len(ids) > 1:
            yield field, f"one that is made ({AUTO_CREATE}) must be the only one; there are {len(ids)}"
    if template.public_address is not None and (reason := _why_no_address(template.public_address)):
        yield "public_address", reason


def _defects_of_the_disks(template: Template) -> Iterator[tuple[str, str]]:
    disks = template.disks
    if len(disks) > _MOST_DISKS:
        yield "disks", f"there are {len(disks)}; {_MOST_DISKS} are allowed"
    places = [disk.index for disk in disks]
    if len(set(places)) < len(places) or any(not 0 <= place < _MOST_DISKS for place in places):
        yield "disks", f"each has an index of its own from 0 to {_MOST_DISKS - 1}; they have {places[:_MOST_DISKS]}"
    for disk in disks:
        if not GIB <= disk.size_bytes <= _LARGEST_DISK_BYTES:
            yield "disks", f"disk {disk.index} has {disk.size_bytes // GIB} GB, not 1 to {_LARGEST_DISK_BYTES // GIB}"
        if reason := why_no_text(disk.name + disk.disk_type + disk.use):
            yield "disks", reason


def _why_no_network(network: TemplateNetwork) -> str:
    if reason := why_no_text(network.id + network.name):
        return reason
    try:
        if network.cidr:
            # Of a card, the vendor's field holds the gateway with its prefix: host bits are no mistake.
            ip_network(network.cidr, strict=False)
        if network.address:
            ip_address(network.address)
    except ValueError as error:
        return why_no_text(str(error)[:100]) or str(error)[:100]
    return ""


def _why_no_address(address: TemplatePublicAddress) -> str:
    if not 0 <= address.bandwidth_bit_s <= _LARGEST_BANDWIDTH_BIT_S:
        mbit_s = _LARGEST_BANDWIDTH_BIT_S // 10**6
        return f"its bandwidth is {address.bandwidth_bit_s // 10**6} Mbit/s, not 0 to {mbit_s}"
    return why_no_text(address.kind + address.share_type)
