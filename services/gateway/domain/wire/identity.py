"""Bodies of the requests about accounts, users, groups, policies and access keys; these operations are our own."""

from __future__ import annotations

from contracts.access_policy import PolicyDocument
from contracts.messages.account import AccountQuotas
from services.gateway.domain.wire.base import WireRequest


class NewAccountBody(WireRequest):
    """name: letters, digits, - and _; it is the account's id."""

    name: str
    description: str = ""
    quotas: AccountQuotas = AccountQuotas()


class AccountChanges(WireRequest):
    """What is left out stays as it is; quotas are replaced as a whole."""

    is_enabled: bool | None = None
    description: str | None = None
    quotas: AccountQuotas | None = None


class NewNamed(WireRequest):
    """A new user or group."""

    name: str
    description: str = ""


class UserChanges(WireRequest):
    """What is left out stays as it is."""

    is_enabled: bool | None = None
    description: str | None = None


class NewPolicy(WireRequest):
    """document: Version 1.1 and its statements; unknown fields in it are refused."""

    name: str
    description: str = ""
    document: PolicyDocument


class PolicyChanges(WireRequest):
    """What is left out stays as it is."""

    description: str | None = None
    document: PolicyDocument | None = None


class NewCredential(WireRequest):
    """description: shown in lists."""

    description: str = ""


class CredentialChanges(WireRequest):
    """is_active: False disables the key and cuts what has logged in with it; True lets it in again."""

    is_active: bool
