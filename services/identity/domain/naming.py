"""What accounts, users, groups and policies may be called, and how many of them belong together."""

from __future__ import annotations

import re
from typing import Final

from contracts.errors import MigrationError
from contracts.errors.access import NAME_INVALID, TOO_MANY
from services.identity.domain.directory import ROOT_USER_NAME
from services.identity.domain.system_policies import SYSTEM_POLICIES

MAX_DESCRIPTION: Final = 255
MAX_GROUPS_OF_A_USER: Final = 10
MAX_ATTACHED_POLICIES: Final = 20
MAX_OF_AN_ACCOUNT: Final = 1000
# Who asks over the bus itself with the installation's own keys; no user may be taken for it in the trace.
OPERATORS: Final = frozenset({""})
_RESERVED: Final = frozenset({ROOT_USER_NAME, "health", "system", "identity", "gateway"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_TITLE: Final = re.compile(r"[A-Za-z0-9_.@-](?:[A-Za-z0-9_.@ -]{0,62}[A-Za-z0-9_.@-])?")


def check_account_name(name: str) -> None:
    """It stands in subjects and resource names. Raises SMS.IDENTITY.NAME_INVALID."""
    _check("account", name, _TOKEN, "letters, digits, - and _ are possible")


def check_user_name(name: str) -> None:
    """Names that would be taken for the system's are refused in any case."""
    _check("user", name, _NAME, "letters, digits and . _ @ - are possible")
    if name.lower() in _RESERVED:
        raise MigrationError(NAME_INVALID, kind="user", name=name, reason="it is reserved")


def check_title(kind: str, name: str) -> None:
    """The name of a group or policy."""
    _check(kind, name, _TITLE, "letters, digits, blanks inside and . _ @ - are possible")
    if kind == "policy" and any(name.lower() == policy.name.lower() for policy in SYSTEM_POLICIES.values()):
        raise MigrationError(NAME_INVALID, kind=kind, name=name, reason="a policy of the system has it")


def check_description(kind: str, text: str) -> None:
    """Raises SMS.IDENTITY.NAME_INVALID."""
    if len(text) > MAX_DESCRIPTION or not all(character.isprintable() for character in text):
        reason = f"its description has control characters or more than {MAX_DESCRIPTION} characters"
        raise MigrationError(NAME_INVALID, kind=kind, name="the new one", reason=reason)


def check_number(count: int, *, limit: int, holder: str, what: str) -> None:
    """Raises SMS.IDENTITY.TOO_MANY."""
    if count > limit:
        raise MigrationError(TOO_MANY, holder=holder, count=count, what=what, limit=limit)


def _check(kind: str, name: str, pattern: re.Pattern[str], reason: str) -> None:
    if not pattern.fullmatch(name):
        raise MigrationError(NAME_INVALID, kind=kind, name=repr(name[:80]), reason=reason)
