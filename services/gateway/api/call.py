"""What an endpoint knows of the request that it serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from contracts.base import Message
from contracts.errors import MigrationError
from contracts.errors.api import API_DENIED
from services.gateway.domain.ports import Services
from services.gateway.domain.trace import printable

M = TypeVar("M", bound=Message)
Permission = Callable[[str, tuple[str, ...]], Awaitable[bool]]


@dataclass(frozen=True, kw_only=True)
class Call:
    """An admitted request: signed by an active key of this user, who may do the route's action.

    idempotency_key: the same for every repeat of a change, to be handed on in each creating message; "" for a query.
    language: the header X-Language in lower case, "en-us" without one.
    """

    account: str
    user_id: str
    user_name: str
    access_key: str
    request_id: str
    idempotency_key: str
    source_address: str = ""
    language: str = "en-us"
    services: Services = field(repr=False)
    permission: Permission = field(repr=False)

    @property
    def actor(self) -> str:
        """Whom the trace names: the user, as printable ASCII."""
        return printable(self.user_name)

    async def ask(
        self, service: str, verb: str, message: Message, reply_model: type[M], *, timeout_s: float | None = None
    ) -> M:
        """Ask a service in this user's name; timeout_s: for what takes longer than usual. Raises MigrationError, which
        becomes the answer."""
        return await self.services.ask(
            service,
            verb,
            message,
            reply_model,
            account=self.account,
            actor=self.actor,
            request_id=self.request_id,
            timeout_s=timeout_s,
        )

    async def may(self, action: str, *resources: str) -> bool:
        """Whether the user's policies allow a further action, or the same one on things that the body names."""
        return await self.permission(action, resources)

    async def require(self, action: str, *resources: str) -> None:
        """As `may`. Raises SMS.API.DENIED."""
        if not await self.may(action, *resources):
            raise MigrationError(API_DENIED, user=self.user_name, action=action, resource=" ".join(resources))


async def _call_of(request: Request) -> Call:
    # A coroutine although it waits for nothing: FastAPI runs plain functions in threads, which took half of the time.
    call = request.state.call
    if not isinstance(call, Call):  # pragma: no cover - every route is served by api.serving
        raise TypeError("the request was not admitted")
    return call


ApiCall = Annotated[Call, Depends(_call_of)]
