"""What must be so before a task starts: its server is connected, and its account can pay for it."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.errors.metering import BALANCE_TOO_LOW
from contracts.errors.task import TASK_DISCONNECTED
from services.task.domain.ports import Balances, Servers
from services.task.domain.task import Task


class StartGuard:
    """Asks the registry and metering."""

    def __init__(self, servers: Servers, balances: Balances) -> None:
        self._servers = servers
        self._balances = balances

    async def refuse(self, task: Task, envelope: Envelope) -> None:
        """Raises MigrationError SMS.TASK.DISCONNECTED, SMS.COST.BALANCE_TOO_LOW.

        The balance counts at the first start only: what runs is never held up, and a resumed task may be one that
        cleans up.
        """
        details = await self._servers.show(task.server_id, envelope)
        if not details.server.is_connected:
            raise MigrationError(TASK_DISCONNECTED, server_id=task.server_id)
        balance = await self._balances.check(envelope) if task.started_at is None else None
        if balance is not None and not balance.is_sufficient:
            raise MigrationError(
                BALANCE_TOO_LOW, amount=balance.amount, minimum=balance.minimum, currency=balance.currency
            )
