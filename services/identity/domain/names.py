"""Names in policies: actions, resources, and the patterns that match them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# Whatever a path may hold: a name with other characters belongs to nothing, and a ":" could move a segment.
_IDENTIFIER: Final = re.compile(r"\*|[A-Za-z0-9_.@+=,-]{1,128}")
_RESOURCE_TYPE: Final = re.compile(r"[A-Za-z_-]{1,40}")


@dataclass(frozen=True, kw_only=True)
class ResourceName:
    """One thing that a request is about. identifier: ``*`` when the request names no single one."""

    service: str
    account: str
    type: str
    identifier: str

    def __str__(self) -> str:
        return f"{self.service}:*:{self.account}:{self.type}:{self.identifier}"


def read_resource(text: str, *, account: str) -> ResourceName | None:
    """``<type>:<id>`` as a thing of this account; None for what can be no thing's name."""
    kind, _, identifier = text.partition(":")
    if not _RESOURCE_TYPE.fullmatch(kind) or not _IDENTIFIER.fullmatch(identifier):
        return None
    return ResourceName(service="sms", account=account, type=kind, identifier=identifier)


def matches_action(pattern: str, action: str) -> bool:
    """Whatever the case: a Deny that is written in another one still denies."""
    return _matches_all(pattern.lower(), action.lower().split(":"))


def matches_resource(pattern: str, name: ResourceName) -> bool:
    """Service and type in any case, account and id exactly. The region is not looked at: there is one."""
    if pattern == "*":
        return True
    parts = pattern.split(":")
    if len(parts) != 5:
        return False
    service, _, account, kind, identifier = parts
    return (
        matches_segment(service.lower(), name.service.lower())
        and matches_segment(account, name.account)
        and matches_segment(kind.lower(), name.type.lower())
        and matches_segment(identifier, name.identifier)
    )


def matches_segment(pattern: str, value: str) -> bool:
    """``*`` stands for any run of characters of one segment. Linear: a hostile pattern costs no more than others."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == value
    last = rest.pop()
    if not value.startswith(first) or not value.endswith(last) or len(value) < len(first) + len(last):
        return False
    position, end = len(first), len(value) - len(last)
    for piece in rest:
        found = value.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _matches_all(pattern: str, values: list[str]) -> bool:
    if pattern == "*":
        return True
    parts = pattern.split(":")
    return len(parts) == len(values) and all(map(matches_segment, parts, values))
