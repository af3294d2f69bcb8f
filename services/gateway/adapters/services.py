"""The services behind the API, over the bus."""

from __future__ import annotations

from typing import TypeVar

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from contracts.subjects import req
from shared.bus import ServiceBus

M = TypeVar("M", bound=Message)


class BusServices:
    """The ports Services and Identity."""

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    async def ask(
        self,
        service: str,
        verb: str,
        message: Message,
        reply_model: type[M],
        *,
        account: str,
        actor: str,
        request_id: str,
        timeout_s: float | None = None,
    ) -> M:
        """See Services. The request's id is the correlation id of everything that it causes."""
        cause = Envelope(
            type="sms.api.request", version=1, source="/services/gateway", account=account, id=request_id, actor=actor
        )
        return await self._bus.request(req(service, verb), message, reply_model, timeout_s, cause=cause)

    async def authorize(self, question: AuthorizeRequest) -> RequestAuthorization:
        """See Identity. It names no account: only the answer says whose key it is."""
        return await self._bus.request(req("identity", "authorize"), question, RequestAuthorization)
