"""The policies that every installation has; nobody changes them.

Identity administration is in none of the first three: who may attach policies could give himself everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.access_policy import PolicyDocument, PolicyStatement
from services.identity.domain.decisions import NamedPolicy

# Types of things that a migration is made of, and the types by which access itself is administered.
MIGRATION_TYPES: Final = (
    "server",
    "task",
    "template",
    "project",
    "wave",
    "audit",
    "cost",
    "notification",
    "event",
    "service",
)
IDENTITY_TYPES: Final = ("account", "user", "group", "policy", "credential")
AGENT_TYPE: Final = "agent"
# Commands that run as root on a source server: in no policy of the system, so only who is given it by name may.
COMMAND_TYPE: Final = "command"


@dataclass(frozen=True, kw_only=True)
class SystemPolicy:
    """A policy of the system. id: stable over versions."""

    id: str
    name: str
    description: str
    document: PolicyDocument


def _policy(identifier: str, name: str, description: str, *actions: str) -> SystemPolicy:
    document = PolicyDocument(statement=(PolicyStatement(effect="Allow", action=actions),))
    return SystemPolicy(id=f"system-{identifier}", name=name, description=description, document=document)


_ALL: Final = (
    _policy(
        "sms-full-access",
        "SMS FullAccess",
        "Everything of a migration; creating a task needs ECS FullAccess and VPC FullAccess as well.",
        *(f"sms:{kind}:*" for kind in (*MIGRATION_TYPES, AGENT_TYPE)),
        "sms:account:get",
    ),
    _policy(
        "sms-read-only-access",
        "SMS ReadOnlyAccess",
        "Looks at everything of a migration and hears its events; changes nothing.",
        *(f"sms:{kind}:{verb}" for kind in MIGRATION_TYPES for verb in ("get", "list")),
        "sms:event:subscribe",
        "sms:account:get",
    ),
    _policy(
        "sms-agent-access",
        "SMS AgentAccess",
        "What an agent needs: enrol, report, fetch its own commands and its own task; for keys on source servers.",
        f"sms:{AGENT_TYPE}:*",
    ),
    _policy(
        "sms-security-administrator",
        "SMS SecurityAdministrator",
        "Users, groups, policies and keys of the account, and thereby, indirectly, everything.",
        *(f"sms:{kind}:*" for kind in IDENTITY_TYPES),
    ),
    _policy(
        "ecs-full-access",
        "ECS FullAccess",
        "Target servers and their volumes. Here: what the target provisioner does on behalf of a task.",
        "ecs:*:*",
        "evs:*:*",
        "ims:*:*",
    ),
    _policy(
        "vpc-full-access",
        "VPC FullAccess",
        "Networks, security groups and ports of targets. Here: what the target provisioner opens for a task.",
        "vpc:*:*",
    ),
    _policy(
        "obs-operate-access",
        "OBS OperateAccess",
        "Objects in storage buckets. Here: nothing needs it; it exists so that the vendor's attachments can be kept.",
        "obs:object:*",
    ),
)

SYSTEM_POLICIES: Final[Mapping[str, SystemPolicy]] = {policy.id: policy for policy in _ALL}


def named(identifier: str) -> NamedPolicy | None:
    """A system policy for the decision, or None when the id is none of the system's."""
    policy = SYSTEM_POLICIES.get(identifier)
    return None if policy is None else NamedPolicy(name=policy.name, document=policy.document)
