"""Which prices hold for a task: lists have a time from which they are valid, and none is ever changed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.base import Model
from contracts.messages.metering import Balance, PriceList, Prices

# The first list of an installation also prices what was created before it was read.
SINCE_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PriceVersion(Model):
    """A list from valid_from until the next one. prices None: an account goes back to the installation's.
    key: of the request that set it."""

    prices: PriceList | None
    valid_from: datetime
    key: str = ""


class AccountBalance(Model):
    """What an account has, as it was told; None: not checked. key: of the request that set it."""

    amount: str | None = None
    changed_at: datetime | None = None
    key: str = ""


def effective(own: PriceVersion | None, installation: PriceVersion) -> Prices:
    """The account's list when it has one, else the installation's; both as of the time that is asked for."""
    if own is not None and own.prices is not None:
        return Prices(prices=own.prices, is_own=True, valid_from=own.valid_from)
    if installation.prices is None:
        raise ValueError("the installation always has prices")
    return Prices(prices=installation.prices, is_own=False, valid_from=installation.valid_from)


@dataclass(frozen=True, kw_only=True)
class PriceHistory:
    """Every list of an account and of the installation, each oldest first: for many tasks at once."""

    own: tuple[PriceVersion, ...]
    installation: tuple[PriceVersion, ...]

    def at(self, time: datetime) -> Prices:
        """Those that held at a time."""
        own, installation = _last(self.own, time), _last(self.installation, time)
        if installation is None:
            raise ValueError("the installation always has prices")
        return effective(own, installation)


def _last(versions: tuple[PriceVersion, ...], time: datetime) -> PriceVersion | None:
    position = bisect_right(versions, time, key=lambda version: version.valid_from)
    return versions[position - 1] if position else None


def judge_balance(balance: AccountBalance, prices: PriceList) -> Balance:
    """Whether a task may start: no balance is no reason to refuse."""
    shown = Balance.model_validate(
        {"amount": balance.amount, "minimum": prices.minimum_balance, "currency": prices.currency}
    )
    is_sufficient = shown.amount is None or shown.amount >= prices.minimum_balance
    return shown.model_copy(update={"is_sufficient": is_sufficient, "changed_at": balance.changed_at})
