"""Between templates of the wire and those of the bus: GB to bytes, Mbit/s to bit/s, and the vendor's names to ours."""

from __future__ import annotations

from typing import Final

from contracts.messages.template import (
    TemplateChanges,
    TemplateDisk,
    TemplateNetwork,
    TemplatePublicAddress,
    TemplateSecurityGroup,
    TemplateView,
)
from services.gateway.domain.wire import templates as wire

GIB: Final = 1 << 30
MBIT: Final = 10**6


def changes_of(body: wire.TemplateRequest) -> TemplateChanges:
    """What a user writes; None stays None."""
    return TemplateChanges(
        name=body.name,
        is_general=body.is_template,
        region=body.region,
        cloud_project_id=body.projectid,
        availability_zone=body.availability_zone,
        target_server_name=body.target_server_name,
        flavor=body.flavor,
        image_id=body.image_id,
        system_disk_type=body.volumetype,
        data_disk_type=body.data_volume_type,
        network=None if body.vpc is None else _network(body.vpc),
        network_cards=None if body.nics is None else tuple(_card(card) for card in body.nics),
        security_groups=None if body.security_groups is None else tuple(_group(one) for one in body.security_groups),
        public_address=None if body.publicip is None else _address(body.publicip),
        disks=None if body.disk is None else tuple(_disk(disk) for disk in body.disk),
        target_password=body.target_password,
    )


def shown(view: TemplateView) -> wire.TemplateResponseBody:
    """What a user sees."""
    network, address = view.network or TemplateNetwork(), view.public_address or TemplatePublicAddress()
    return wire.TemplateResponseBody(
        id=view.id,
        name=view.name,
        is_template="true" if view.is_general else "false",
        region=view.region,
        projectid=view.cloud_project_id,
        target_server_name=view.target_server_name,
        availability_zone=view.availability_zone,
        volumetype=view.system_disk_type,
        flavor=view.flavor,
        vpc=wire.VpcObject(id=network.id, name=network.name, cidr=network.cidr),
        nics=[
            wire.Nics(id=card.id, name=card.name, cidr=card.cidr, ip=card.address or None)
            for card in view.network_cards
        ],
        security_groups=[wire.SgObject(id=group.id, name=group.name) for group in view.security_groups],
        publicip=wire.PublicIp(
            type=address.kind,
            bandwidth_size=address.bandwidth_bit_s // MBIT,
            bandwidth_share_type=address.share_type or None,
        ),
        disk=[_shown_disk(disk) for disk in view.disks],
        data_volume_type=view.data_disk_type,
        image_id=view.image_id,
        has_target_password=view.has_target_password,
    )


def _network(vpc: wire.VpcObject) -> TemplateNetwork:
    return TemplateNetwork(id=vpc.id or "", name=vpc.name or "", cidr=vpc.cidr or "")


def _card(card: wire.Nics) -> TemplateNetwork:
    return TemplateNetwork(id=card.id, name=card.name, cidr=card.cidr, address=card.ip or "")


def _group(group: wire.SgObject) -> TemplateSecurityGroup:
    return TemplateSecurityGroup(id=group.id, name=group.name)


def _address(address: wire.PublicIp) -> TemplatePublicAddress:
    return TemplatePublicAddress(
        kind=address.type,
        bandwidth_bit_s=address.bandwidth_size * MBIT,
        share_type=address.bandwidth_share_type or "",
    )


def _disk(disk: wire.TemplateDisk) -> TemplateDisk:
    return TemplateDisk(
        id=disk.id,
        index=disk.index,
        name=disk.name,
        disk_type=disk.disktype,
        size_bytes=disk.size * GIB,
        use=disk.device_use or "",
    )


def _shown_disk(disk: TemplateDisk) -> wire.TemplateDisk:
    return wire.TemplateDisk(
        id=disk.id,
        index=disk.index,
        name=disk.name,
        disktype=disk.disk_type,
        size=disk.size_bytes // GIB,
        device_use=disk.use or None,
    )
