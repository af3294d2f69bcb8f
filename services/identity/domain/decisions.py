"""The policy decision: deny by default, an explicit deny wins, every resource must be allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.access_policy import PolicyDocument, PolicyStatement
from services.identity.domain.conditions import Circumstances, holds
from services.identity.domain.dependencies import required_with
from services.identity.domain.names import ResourceName, matches_action, matches_resource, read_resource


@dataclass(frozen=True, kw_only=True)
class NamedPolicy:
    """A policy as the decision sees it; the name is for the reason of a denial."""

    name: str
    document: PolicyDocument


@dataclass(frozen=True)
class Decision:
    """reason: "" when allowed, else what a trace can show."""

    is_allowed: bool
    reason: str = ""


ALLOWED: Final = Decision(is_allowed=True)


def denied(reason: str) -> Decision:
    """The decision against a request."""
    return Decision(is_allowed=False, reason=reason)


def decide(
    policies: Sequence[NamedPolicy],
    action: str,
    resources: Sequence[ResourceName],
    circumstances: Circumstances,
) -> Decision:
    """Over one action; what else it needs is `decide_request`'s to add."""
    allowed: set[ResourceName] = set()
    for policy in policies:
        for number, statement in enumerate(policy.document.statement, start=1):
            concerned = _concerned(statement, action, resources, circumstances)
            if concerned and statement.effect == "Deny":
                return denied(f"statement {number} of policy {policy.name} denies {action} on {concerned[0]}")
            allowed.update(concerned)
    missing = next((name for name in resources if name not in allowed), None)
    if not resources or missing is not None:
        return denied(f"no policy allows {action} on {missing or 'nothing'}")
    return ALLOWED


def decide_request(
    policies: Sequence[NamedPolicy],
    *,
    account: str,
    action: str,
    resources: Sequence[str],
    circumstances: Circumstances,
) -> Decision:
    """Over a request with everything that it depends on. resources: ``<type>:<id>``; none stands for all."""
    kind = action.split(":")[1] if action.count(":") == 2 else ""
    names = []
    for text in resources or (f"{kind}:*",):
        name = read_resource(text, account=account)
        if name is None:
            return denied("the path names something that cannot exist")
        names.append(name)
    decision = decide(policies, action, names, circumstances)
    for needed in required_with(action) if decision.is_allowed else ():
        service, needed_kind, _ = needed.split(":")
        thing = ResourceName(service=service, account=account, type=needed_kind, identifier="*")
        decision = decide(policies, needed, [thing], circumstances)
        if not decision.is_allowed:
            return denied(f"{action} needs {needed} as well: {decision.reason}")
    return decision


def _concerned(
    statement: PolicyStatement, action: str, resources: Sequence[ResourceName], circumstances: Circumstances
) -> list[ResourceName]:
    if not any(matches_action(pattern, action) for pattern in statement.action):
        return []
    concerned = [name for name in resources if any(matches_resource(one, name) for one in statement.resource)]
    if not concerned or not statement.condition:
        return concerned
    verdict = holds(statement.condition, circumstances)
    applies = statement.effect == "Deny" if verdict is None else verdict
    return concerned if applies else []
