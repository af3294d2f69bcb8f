"""One coroutine per small request: what may be chosen, what went wrong, what a user has agreed to."""

from __future__ import annotations

from contextlib import suppress

from contracts.envelope import Envelope
from contracts.messages.agreement import (
    AcceptPrivacyAgreement,
    ListTaskErrors,
    Offer,
    PrivacyAgreement,
    ShowOffer,
    ShowPrivacyAgreement,
    TaskErrors,
)
from contracts.messages.reply import Accepted
from services.task.domain.offer import OFFER, Agreement, error_row
from services.task.domain.pages import that_fit
from services.task.domain.ports import Agreements, Clock, Glances, Tasks
from shared.store import ConflictError


class OfferHandlers:
    """What users ask beside their tasks."""

    def __init__(self, tasks: Tasks, glances: Glances, agreements: Agreements, clock: Clock) -> None:
        self._tasks = tasks
        self._glances = glances
        self._agreements = agreements
        self._clock = clock

    async def show_offer(self, _: ShowOffer, __: Envelope) -> Offer:
        """The same for every account."""
        return OFFER

    async def list_errors(self, request: ListTaskErrors, envelope: Envelope) -> TaskErrors:
        """Servers whose migration rests because of a failure."""
        failed = await self._glances.failed(envelope.account)
        page = failed[request.offset : request.offset + request.limit]
        rows = [
            error_row(await self._tasks.load(envelope.account, glance.id), glance.failure)
            for glance in page
            if glance.failure is not None
        ]
        return TaskErrors(count=len(failed), errors=that_fit(rows, limit=request.limit))

    async def accept_agreement(self, request: AcceptPrivacyAgreement, envelope: Envelope) -> Accepted:
        """The first time counts."""
        agreement = Agreement(user_id=request.user_id, accepted_at=self._clock())
        with suppress(ConflictError):
            await self._agreements.create(envelope.account, agreement, envelope)
        return Accepted(id=request.user_id)

    async def show_agreement(self, request: ShowPrivacyAgreement, envelope: Envelope) -> PrivacyAgreement:
        """Whether, and since when."""
        agreement = await self._agreements.load(envelope.account, request.user_id)
        return PrivacyAgreement(accepted_at=agreement.accepted_at if agreement is not None else None)
