"""What identity says of accounts, as far as it is about their servers."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.messages.account import AccountCreated, AccountUpdated
from services.registry.domain.ports import Quotas


class QuotaHandlers:
    """An account's own quota wins over the one that the registry's settings give to all."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    async def on_account(self, event: AccountCreated | AccountUpdated, envelope: Envelope) -> None:
        """Keep what the account may have. Servers beyond a lowered quota stay; no more are taken."""
        limit = event.quotas.max_migrating_servers
        await self._quotas.set(envelope.account, limit, said_at=envelope.time, applied=envelope.id)
