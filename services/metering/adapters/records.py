"""Facts, prices and balances in the service's store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts import subjects
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.messages.metering import BalanceChanged, PriceList, Prices, PricesChanged, TaskCostChanged
from services.metering.domain.facts import ServerFacts, TaskFacts
from services.metering.domain.pricing import (
    SINCE_EVER,
    AccountBalance,
    PriceHistory,
    PriceVersion,
    effective,
)
from shared.store import Collection, ConflictError, OutgoingMessage, Store, TypedCollection

SERVICE: Final = "metering"
TASKS: Final = Collection(name="tasks", fields=("project_id",))
SERVERS: Final = Collection(name="servers")
PRICES: Final = Collection(name="prices")
BALANCES: Final = Collection(name="balances")
COLLECTIONS: Final = (TASKS, SERVERS, PRICES, BALANCES)

# The installation's price lists are records of an account whose name no account can have.
_INSTALLATION: Final = "*"
_BALANCE: Final = "balance"
_PAGE: Final = 500


class FactRecords:
    """The port Facts."""

    def __init__(self, store: Store) -> None:
        self._tasks = TypedCollection(store, TASKS, TaskFacts)
        self._servers = TypedCollection(store, SERVERS, ServerFacts)

    async def task(self, account: str, task_id: str) -> tuple[TaskFacts | None, int]:
        """See Facts."""
        stored = await self._tasks.load(account, task_id) if task_id else None
        return (stored.value, stored.version) if stored else (None, 0)

    async def save_task(
        self, account: str, facts: TaskFacts, version: int, *, says: Sequence[TaskCostChanged], cause: Envelope
    ) -> None:
        """See Facts."""
        outbox = [
            OutgoingMessage.of(
                subjects.evt(account, "task", facts.task_id, "cost-changed"),
                event,
                source=SERVICE,
                account=account,
                cause=cause,
                message_id=f"{facts.task_id}:{version + 1}:cost-changed",
                correlation_id=facts.task_id,
            )
            for event in says
        ]
        await self._tasks.save(account, facts.task_id, facts, expected_version=version, outbox=outbox)

    async def tasks(self, account: str, project_id: str | None) -> AsyncIterator[TaskFacts]:
        """See Facts."""
        where = None if project_id is None else {"project_id": project_id}
        after = ""
        while page := await self._tasks.find(account, where, after=after, limit=_PAGE):
            after = page[-1].id
            for stored in page:
                yield stored.value

    async def server(self, account: str, server_id: str) -> tuple[ServerFacts | None, int]:
        """See Facts."""
        stored = await self._servers.load(account, server_id) if server_id else None
        return (stored.value, stored.version) if stored else (None, 0)

    async def save_server(self, account: str, server_id: str, facts: ServerFacts, version: int) -> None:
        """See Facts."""
        await self._servers.save(account, server_id, facts, expected_version=version)


class AccountRecords:
    """The port Accounts."""

    def __init__(self, store: Store) -> None:
        self._prices = TypedCollection(store, PRICES, PriceVersion)
        self._balances = TypedCollection(store, BALANCES, AccountBalance)

    async def keep_installation_prices(self, prices: PriceList, now: datetime) -> None:
        """Remember the list of the price file; another one than the last time's is valid from now on."""
        newest = await self._newest(_INSTALLATION)
        if newest is not None and newest.prices == prices:
            return
        version = PriceVersion(prices=prices, valid_from=now if newest else SINCE_EVER)
        try:
            await self._prices.save(_INSTALLATION, _key(version.valid_from), version, expected_version=0)
        except ConflictError:
            return  # Another replica of this service was faster.

    async def prices(self, account: str, at: datetime) -> Prices:
        """See Accounts."""
        installation = await self._newest(_INSTALLATION, at)
        if installation is None:
            raise ValueError("the installation's prices are kept at the start")
        return effective(await self._newest(account, at), installation)

    async def price_history(self, account: str) -> PriceHistory:
        """See Accounts."""
        return PriceHistory(own=await self._all(account), installation=await self._all(_INSTALLATION))

    async def newest_own_prices(self, account: str) -> PriceVersion | None:
        """See Accounts."""
        return await self._newest(account)

    async def add_prices(self, account: str, version: PriceVersion, cause: Envelope) -> None:
        """See Accounts."""
        event = PricesChanged(prices=version.prices, valid_from=version.valid_from)
        outbox = [_outgoing(account, "prices-changed", event, cause)]
        await self._prices.save(account, _key(version.valid_from), version, expected_version=0, outbox=outbox)

    async def balance(self, account: str) -> tuple[AccountBalance, int]:
        """See Accounts."""
        stored = await self._balances.load(account, _BALANCE)
        return (stored.value, stored.version) if stored else (AccountBalance(), 0)

    async def save_balance(self, account: str, balance: AccountBalance, version: int, cause: Envelope) -> None:
        """See Accounts."""
        event = BalanceChanged(amount=None if balance.amount is None else Decimal(balance.amount))
        outbox = [_outgoing(account, "balance-changed", event, cause)]
        await self._balances.save(account, _BALANCE, balance, expected_version=version, outbox=outbox)

    async def _all(self, account: str) -> tuple[PriceVersion, ...]:
        found: list[PriceVersion] = []
        after = ""
        while page := await self._prices.find(account, after=after, limit=_PAGE):
            after = page[-1].id
            found += [stored.value for stored in page]
        return tuple(found)

    async def _newest(self, account: str, at: datetime | None = None) -> PriceVersion | None:
        """The newest list, or the one that held at a time."""
        after = "" if at is None else _key(at + timedelta(microseconds=1))
        page = await self._prices.find(account, after=after, limit=1, newest_first=True)
        return page[0].value if page else None


def _key(at: datetime) -> str:
    """Ids sort as times do."""
    return f"{(at.astimezone(UTC) - SINCE_EVER) // timedelta(microseconds=1):020d}"


def _outgoing(account: str, what: str, event: Message, cause: Envelope) -> OutgoingMessage:
    subject = subjects.evt(account, "cost", account, what)
    return OutgoingMessage.of(subject, event, source=SERVICE, account=account, cause=cause)
