"""What of the root user is for the root user alone, whatever policies say."""

from __future__ import annotations

from contracts.errors import MigrationError
from contracts.errors.access import ROOT_PERMANENT, ROOT_PROTECTED
from services.identity.domain.directory import ROOT_USER_NAME, User
from services.identity.domain.naming import OPERATORS


def require_root_for(user: User, actor: str, what: str) -> None:
    """Who administers users must not thereby become the root user. Raises SMS.IDENTITY.ROOT_PROTECTED.

    actor: the asker's user name; names that the system uses cannot be given to users.
    """
    if user.is_root and actor not in {ROOT_USER_NAME, *OPERATORS}:
        raise MigrationError(ROOT_PROTECTED, actor=actor, what=what)


def refuse_for_root(user: User, what: str) -> None:
    """Raises SMS.IDENTITY.ROOT_PERMANENT."""
    if user.is_root:
        raise MigrationError(ROOT_PERMANENT, account=user.account, what=what)
