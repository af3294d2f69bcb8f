"""Accounts, their users, groups and policies, as identity remembers them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from contracts.access_policy import PolicyDocument
from contracts.base import Model
from contracts.messages.account import AccountQuotas

# The installation's own account: the only one whose administrators may make further accounts.
INSTALLATION_ACCOUNT: Final = "default"
ROOT_USER_NAME: Final = "root"
_NAMESPACE: Final = uuid.UUID("5b0f5a4e-57a8-4c0e-8a0f-0c3f7b3c6f52")


def directory_id(account: str, kind: str, key: str) -> str:
    """The id of a user, group or policy: the same for a repeated request, another one for every other key."""
    return uuid.uuid5(_NAMESPACE, f"{account}/{kind}/{key}").hex


def root_user_id(account: str) -> str:
    """Every account has one root user; its id needs no look-up."""
    return uuid.uuid5(_NAMESPACE, f"{account}//root").hex


class Account(Model):
    """An owner of things. Disabled, none of its keys and agents is let in.

    made_by: account and idempotency key of the request that made it; "" when it came with its first key.
    """

    name: str
    is_enabled: bool = True
    description: str = ""
    quotas: AccountQuotas = AccountQuotas()
    created_at: datetime
    made_by: str = ""


class User(Model):
    """Somebody who acts for an account. The root user may do everything in it and is not deleted.

    A deleted user stays as a record, so that a repeated request cannot make it anew with the same id.
    """

    account: str
    id: str
    name: str
    is_root: bool = False
    is_enabled: bool = True
    is_deleted: bool = False
    description: str = ""
    group_ids: tuple[str, ...] = ()
    policy_ids: tuple[str, ...] = ()
    created_at: datetime

    @property
    def is_active(self) -> bool:
        """Whether its keys are good for anything."""
        return self.is_enabled and not self.is_deleted


class Group(Model):
    """Users who have the same policies."""

    account: str
    id: str
    name: str
    is_deleted: bool = False
    description: str = ""
    policy_ids: tuple[str, ...] = ()
    created_at: datetime


class Policy(Model):
    """A policy of the account's own; the system's are in `system_policies`."""

    account: str
    id: str
    name: str
    is_deleted: bool = False
    description: str = ""
    document: PolicyDocument
    created_at: datetime
    changed_at: datetime


def root_user(account: str, *, now: datetime) -> User:
    """The root user of an account that is being made."""
    return User(account=account, id=root_user_id(account), name=ROOT_USER_NAME, is_root=True, created_at=now)
