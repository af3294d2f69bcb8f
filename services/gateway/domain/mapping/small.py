"""Offer and errors of the bus in the words of the wire."""

from __future__ import annotations

import json

from contracts.messages.agreement import Offer, TaskErrorRow
from services.gateway.domain.wire.small import MigrationErrors, ShowConfigResponse


def configuration(offer: Offer) -> ShowConfigResponse:
    """The vendor's keys first, ours behind them. obs_domain: there is no object storage, agents come with the
    installation."""
    return ShowConfigResponse(
        config={
            "mainRegion": offer.regions[0],
            "obs_domain": "",
            "disktype": ",".join(offer.disk_types),
            "default_flavor": offer.default_flavor,
            "largest_flavor": offer.largest_flavor,
            "project_limit": str(offer.project_limit),
            "template_limit": str(offer.template_limit),
        },
        regions=[{"id": region, "name": region} for region in offer.regions],
    )


def error_of(row: TaskErrorRow) -> MigrationErrors:
    """A server with its failure."""
    failure = row.failure
    return MigrationErrors(
        error_json=json.dumps(
            {
                "error_code": failure.code,
                "error_msg": f"{failure.cause} {failure.remedy}",
                "error_param": failure.parameters,
                "task_id": row.task_id,
            }
        ),
        host_name=row.host_name,
        name=row.server_name,
        source_id=row.server_id,
        source_ip=row.source_address,
        target_ip=row.target_address,
    )
