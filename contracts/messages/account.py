"""Accounts: who owns things, and how much of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from contracts.base import Message, MessageKind, Model


class AccountQuotas(Model):
    """Limits of one account. max_migrating_servers: source servers in migration. balance: what it has to spend, in
    the currency of the price list; None when nobody counts it."""

    max_migrating_servers: int = Field(default=1000, ge=0, le=1_000_000)
    balance: Decimal | None = None


class AccountView(Message):
    """One account. is_enabled: its keys and agents are let in."""

    TYPE: ClassVar[str] = "sms.identity.account"
    KIND: ClassVar[MessageKind] = "reply"
    name: str
    is_enabled: bool = True
    description: str = ""
    quotas: AccountQuotas = AccountQuotas()
    created_at: datetime | None = None


class AccountList(Message):
    """A page of accounts in the order of their names. count: of all."""

    TYPE: ClassVar[str] = "sms.identity.account-list"
    KIND: ClassVar[MessageKind] = "reply"
    count: int
    accounts: tuple[AccountView, ...]


class NewAccount(Message):
    """A new account with the first key of its root user. secret_key: shown now and never again; "" in the answer to
    a repeated request."""

    TYPE: ClassVar[str] = "sms.identity.new-account"
    KIND: ClassVar[MessageKind] = "reply"
    account: AccountView
    access_key: str
    secret_key: str = ""


class CreateAccount(Message):
    """Request ``identity.create-account``, of the installation's own account only.

    name: 1 to 64 characters of a subject token; it is the account's id.
    """

    TYPE: ClassVar[str] = "sms.identity.create-account"
    KIND: ClassVar[MessageKind] = "request"
    idempotency_key: str
    name: str
    description: str = ""
    quotas: AccountQuotas = AccountQuotas()


class UpdateAccount(Message):
    """Request ``identity.update-account``, of the installation's own account only; None leaves as it is.

    Disabling cuts every agent and subscriber of the account within 5 s and refuses its keys.
    """

    TYPE: ClassVar[str] = "sms.identity.update-account"
    KIND: ClassVar[MessageKind] = "request"
    name: str
    is_enabled: bool | None = None
    description: str | None = None
    quotas: AccountQuotas | None = None


class ShowAccount(Message):
    """Request ``identity.show-account``. name: "" for the own account; another one is unknown to everybody but the
    installation's own account."""

    TYPE: ClassVar[str] = "sms.identity.show-account"
    KIND: ClassVar[MessageKind] = "request"
    name: str = ""


class ListAccounts(Message):
    """Request ``identity.list-accounts``, of the installation's own account only."""

    TYPE: ClassVar[str] = "sms.identity.list-accounts"
    KIND: ClassVar[MessageKind] = "request"
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=1000)


class AccountCreated(Message):
    """Event ``account.<name>.created``, in the new account."""

    TYPE: ClassVar[str] = "sms.identity.account-created"
    KIND: ClassVar[MessageKind] = "event"
    name: str
    quotas: AccountQuotas


class AccountUpdated(Message):
    """Event ``account.<name>.updated``, in that account."""

    TYPE: ClassVar[str] = "sms.identity.account-updated"
    KIND: ClassVar[MessageKind] = "event"
    name: str
    is_enabled: bool
    quotas: AccountQuotas
