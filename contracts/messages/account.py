"""Accounts: who owns things, and how much of them."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from contracts.base import Model


class AccountQuotas(Model):
    """Limits of one account. max_migrating_servers: source servers in migration. balance: what it has to spend, in
    the currency of the price list; None when nobody counts it."""

    max_migrating_servers: int = Field(default=1000, ge=0, le=1_000_000)
    balance: Decimal | None = None
