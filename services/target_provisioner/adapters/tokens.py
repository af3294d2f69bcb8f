"""Tokens for helpers, from identity over the bus."""

from __future__ import annotations

from contracts.envelope import Envelope
from contracts.messages.identity import EnrolmentToken, IssueEnrolmentToken
from contracts.subjects import req
from shared.bus import ServiceBus


class IdentityTokens:
    """EnrolmentTokens by request to identity."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def issue(self, request_id: str, task_id: str, cause: Envelope) -> EnrolmentToken:
        """See EnrolmentTokens. Raises SMS.SERVICE.UNAVAILABLE while identity is away."""
        request = IssueEnrolmentToken(request_id=request_id, task_id=task_id)
        return await self._bus.request(req("identity", "issue-enrolment-token"), request, EnrolmentToken, cause=cause)
