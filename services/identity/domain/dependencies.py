"""What an action needs of other services' permissions: the service overview's Table 7-1, as data.

A migration task makes a cloud server with its volumes and opens a port to it, so whoever creates one must be allowed
to do that. The account's root user needs no policy at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEPENDENCIES: Final[Mapping[str, tuple[str, ...]]] = {
    "sms:task:create": (
        "ecs:cloudServers:create",
        "ecs:cloudServers:attach",
        "vpc:securityGroups:create",
        "vpc:securityGroupRules:create",
    ),
}


def required_with(action: str) -> tuple[str, ...]:
    """The actions that must be allowed besides this one."""
    return DEPENDENCIES.get(action, ())
