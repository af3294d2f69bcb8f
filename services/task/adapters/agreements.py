"""Consents in the store, each with its event in one write."""

from __future__ import annotations

from typing import Final

from contracts import subjects
from contracts.envelope import Envelope
from contracts.messages.agreement import PrivacyAgreementAccepted
from services.task.domain.offer import Agreement
from shared.store import Collection, OutgoingMessage, Store
from shared.store.typed import TypedCollection

AGREEMENTS: Final = Collection(name="agreements")


class AgreementRecords:
    """The port Agreements."""

    def __init__(self, store: Store) -> None:
        self._agreements = TypedCollection(store, AGREEMENTS, Agreement)

    async def load(self, account: str, user_id: str) -> Agreement | None:
        """See Agreements."""
        stored = await self._agreements.load(account, user_id) if user_id else None
        return None if stored is None else stored.value

    async def create(self, account: str, agreement: Agreement, cause: Envelope) -> None:
        """See Agreements."""
        event = OutgoingMessage.of(
            subjects.evt(account, "agreement", agreement.user_id, "accepted"),
            PrivacyAgreementAccepted(user_id=agreement.user_id),
            source="task",
            account=account,
            cause=cause,
        )
        await self._agreements.save(account, agreement.user_id, agreement, expected_version=0, outbox=[event])
