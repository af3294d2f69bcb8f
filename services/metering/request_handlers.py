"""One coroutine per question about cost, and per setting of an account."""

from __future__ import annotations

from typing import Final

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.metering import COST_NOT_FOUND, NO_USED_SIZE
from contracts.errors.registry import SERVER_NOT_FOUND
from contracts.messages.metering import (
    Balance,
    CheckBalance,
    CostEstimate,
    CostList,
    EstimateCost,
    ListCosts,
    Prices,
    SetBalance,
    SetPrices,
    ShowBalance,
    ShowPrices,
    ShowTaskCost,
    TaskCostDetails,
)
from services.metering.domain.cost import cost_of, plain, totals
from services.metering.domain.estimate import Assumptions, estimate
from services.metering.domain.ports import Accounts, Clock, Facts
from services.metering.domain.pricing import AccountBalance, PriceVersion, judge_balance

_LONGEST_PAGE: Final = 200


class RequestHandlers:
    """What users and the task service ask."""

    def __init__(self, facts: Facts, accounts: Accounts, clock: Clock, assumed: Assumptions) -> None:
        self._facts = facts
        self._accounts = accounts
        self._clock = clock
        self._assumed = assumed

    async def show(self, request: ShowTaskCost, envelope: Envelope) -> TaskCostDetails:
        """One task. Raises MigrationError SMS.COST.NOT_FOUND, for a foreign one too."""
        facts, _ = await self._facts.task(envelope.account, request.task_id)
        if facts is None:
            raise MigrationError(COST_NOT_FOUND, task_id=request.task_id)
        now = self._clock()
        prices = await self._accounts.prices(envelope.account, facts.created_at or now)
        return TaskCostDetails(cost=cost_of(facts, prices.prices, now=now))

    async def list_costs(self, request: ListCosts, envelope: Envelope) -> CostList:
        """An account's tasks, deleted ones too: they have cost what they have cost."""
        now = self._clock()
        history = await self._accounts.price_history(envelope.account)
        costs = [
            cost_of(facts, history.at(facts.created_at or now).prices, now=now)
            async for facts in self._facts.tasks(envelope.account, request.project_id)
        ]
        first = max(request.offset, 0)
        limit = min(max(request.limit, 1), _LONGEST_PAGE)
        return CostList(
            as_of=now,
            totals=totals(costs, by_project=False),
            projects=totals(costs, by_project=True),
            count=len(costs),
            tasks=tuple(costs[first : first + limit]),
        )

    async def estimate(self, request: EstimateCost, envelope: Envelope) -> CostEstimate:
        """A forecast. Raises MigrationError SMS.REGISTRY.SERVER_NOT_FOUND, SMS.COST.NO_USED_SIZE."""
        used_bytes, subject = request.used_bytes, "nobody"
        if not used_bytes and request.server_id:
            server, _ = await self._facts.server(envelope.account, request.server_id)
            if server is None:
                raise MigrationError(SERVER_NOT_FOUND, server_id=request.server_id)
            used_bytes, subject = server.used_bytes, f"server {request.server_id}"
        if not used_bytes:
            raise MigrationError(NO_USED_SIZE, subject=subject, used_bytes=used_bytes)
        prices = await self._accounts.prices(envelope.account, self._clock())
        return estimate(request, used_bytes, prices.prices, self._assumed)

    async def show_prices(self, _: ShowPrices, envelope: Envelope) -> Prices:
        """What holds now."""
        return await self._accounts.prices(envelope.account, self._clock())

    async def set_prices(self, request: SetPrices, envelope: Envelope) -> Prices:
        """Prices from now on; a repeated request changes nothing."""
        now = self._clock()
        newest = await self._accounts.newest_own_prices(envelope.account)
        if newest is None or newest.key != request.idempotency_key:
            version = PriceVersion(prices=request.prices, valid_from=now, key=request.idempotency_key)
            await self._accounts.add_prices(envelope.account, version, envelope)
        return await self._accounts.prices(envelope.account, self._clock())

    async def show_balance(self, _: ShowBalance, envelope: Envelope) -> Balance:
        """What the account has, as it was entered."""
        return await self._judged(envelope.account)

    async def set_balance(self, request: SetBalance, envelope: Envelope) -> Balance:
        """Enter a balance, or end the check; a repeated request changes nothing."""
        known, version = await self._accounts.balance(envelope.account)
        if known.key != request.idempotency_key:
            amount = None if request.amount is None else str(plain(request.amount))
            balance = AccountBalance(amount=amount, changed_at=self._clock(), key=request.idempotency_key)
            await self._accounts.save_balance(envelope.account, balance, version, envelope)
        return await self._judged(envelope.account)

    async def check_balance(self, _: CheckBalance, envelope: Envelope) -> Balance:
        """The same answer as to ShowBalance, under a name that the task service is allowed to ask."""
        return await self._judged(envelope.account)

    async def _judged(self, account: str) -> Balance:
        balance, _ = await self._accounts.balance(account)
        prices = await self._accounts.prices(account, self._clock())
        return judge_balance(balance, prices.prices)
