"""What metering needs of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

from contracts.envelope import Envelope
from contracts.messages.metering import Prices, TaskCostChanged
from services.metering.domain.facts import ServerFacts, TaskFacts
from services.metering.domain.pricing import AccountBalance, PriceHistory, PriceVersion

Clock = Callable[[], datetime]


class Facts(Protocol):
    """What is known of tasks and servers. Writes raise ConflictError when the record has changed since."""

    async def task(self, account: str, task_id: str) -> tuple[TaskFacts | None, int]:
        """The facts and the version that they were read at; (None, 0) when nothing is known."""

    async def save_task(
        self, account: str, facts: TaskFacts, version: int, *, says: Sequence[TaskCostChanged], cause: Envelope
    ) -> None:
        """Write the facts, and in the same write the events that follow."""

    def tasks(self, account: str, project_id: str | None) -> AsyncIterator[TaskFacts]:
        """All tasks of an account in the order of their ids; of one project only, when it is named."""

    async def server(self, account: str, server_id: str) -> tuple[ServerFacts | None, int]:
        """As `task`."""

    async def save_server(self, account: str, server_id: str, facts: ServerFacts, version: int) -> None:
        """Write what a server reported."""


class Accounts(Protocol):
    """Price lists and balances of accounts, and the installation's price list."""

    async def prices(self, account: str, at: datetime) -> Prices:
        """Those that hold for what is created at this time."""

    async def price_history(self, account: str) -> PriceHistory:
        """All that ever held."""

    async def newest_own_prices(self, account: str) -> PriceVersion | None:
        """What was set last."""

    async def add_prices(self, account: str, version: PriceVersion, cause: Envelope) -> None:
        """Prices from version.valid_from on, with the event. Raises ConflictError for a second list of one time."""

    async def balance(self, account: str) -> tuple[AccountBalance, int]:
        """The balance, and the version that it was read at."""

    async def save_balance(self, account: str, balance: AccountBalance, version: int, cause: Envelope) -> None:
        """Write the balance, with the event. Raises ConflictError."""
