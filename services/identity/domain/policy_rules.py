"""What a policy must look like to be stored: whatever would never match, or be misunderstood, is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from contracts.access_policy import PolicyDocument, PolicyStatement
from contracts.errors import MigrationError
from contracts.errors.access import POLICY_ACTION, POLICY_CONDITION, POLICY_RESOURCE, POLICY_SIZE
from services.identity.domain.conditions import OPERATORS, SOURCE_ADDRESS_KEY, read_network
from services.identity.domain.names import matches_segment
from services.identity.domain.system_policies import AGENT_TYPE, COMMAND_TYPE, IDENTITY_TYPES, MIGRATION_TYPES

MAX_STATEMENTS: Final = 20
MAX_VALUES: Final = 100
_SMS_TYPES: Final = (*MIGRATION_TYPES, *IDENTITY_TYPES, AGENT_TYPE, COMMAND_TYPE)
_SERVICES: Final = ("sms", "ecs", "evs", "ims", "vpc", "obs")
_ACTION_PART: Final = re.compile(r"[A-Za-z_*-]{1,64}")
_RESOURCE_PART: Final = re.compile(r"[A-Za-z0-9_.@+=,*-]{1,128}")


def check_document(document: PolicyDocument, *, account: str) -> None:
    """Raises MigrationError SMS.IDENTITY.POLICY_…, which names the statement, counted from 1."""
    _check_count(len(document.statement), "statements", statement=0, limit=MAX_STATEMENTS)
    for number, statement in enumerate(document.statement, start=1):
        _check_statement(number, statement, account)


def _check_statement(number: int, statement: PolicyStatement, account: str) -> None:
    _check_count(len(statement.action), "actions", statement=number, limit=MAX_VALUES)
    _check_count(len(statement.resource), "resources", statement=number, limit=MAX_VALUES)
    for action in statement.action:
        if reason := _wrong_action(action):
            raise MigrationError(POLICY_ACTION, statement=number, value=action[:200], reason=reason)
    for resource in statement.resource:
        if reason := _wrong_resource(resource, account):
            raise MigrationError(
                POLICY_RESOURCE, statement=number, value=resource[:200], reason=reason, account=account
            )
    _check_condition(number, statement.condition)


def _check_count(count: int, what: str, *, statement: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise MigrationError(POLICY_SIZE, count=count, what=what, statement=statement or "-", limit=limit)


def _wrong_action(action: str) -> str:
    if action == "*":
        return ""
    parts = action.split(":")
    if len(parts) != 3 or not all(map(_ACTION_PART.fullmatch, parts)):
        return "it does not have three parts of letters, hyphens and wildcards"
    service, kind, _ = (part.lower() for part in parts)
    if not any(matches_segment(service, known) for known in _SERVICES):
        return f"there is no service {service}"
    if service == "sms" and not any(matches_segment(kind, known) for known in _SMS_TYPES):
        return f"sms has no type {kind}; it has {', '.join(_SMS_TYPES)}"
    return ""


def _wrong_resource(resource: str, account: str) -> str:
    if resource == "*":
        return ""
    parts = resource.split(":")
    if len(parts) != 5:
        return f"it has {len(parts)} parts between colons instead of five"
    service, region, owner, kind, identifier = parts
    if region not in {"*", ""}:
        return "there are no regions: the second part must be *"
    if owner not in {"*", account}:
        return f"its account is {owner}, and this policy can concern {account} only"
    for part in (service, kind, identifier):
        if not _RESOURCE_PART.fullmatch(part):
            return f"{part!r} holds characters that no name has"
    if not any(matches_segment(service.lower(), known) for known in _SERVICES):
        return f"there is no service {service}"
    return ""


def _check_condition(number: int, condition: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    for operator, keys in condition.items():
        if operator not in OPERATORS:
            raise _wrong_condition(number, operator, "", "there is no such operator here")
        for key, values in keys.items():
            if key != OPERATORS[operator][0]:
                raise _wrong_condition(number, operator, key, f"it looks at {OPERATORS[operator][0]}")
            _check_count(len(values), "values of a condition", statement=number, limit=MAX_VALUES)
            for value in values if key == SOURCE_ADDRESS_KEY else ():
                try:
                    read_network(value)
                except ValueError as error:
                    raise _wrong_condition(number, operator, key, f"{value[:64]} is no address or network") from error
        if not keys:
            raise _wrong_condition(number, operator, "", "it names no key")


def _wrong_condition(number: int, operator: str, key: str, reason: str) -> MigrationError:
    return MigrationError(
        POLICY_CONDITION, statement=number, operator=operator[:64], key=key[:64] or "nothing", reason=reason
    )
