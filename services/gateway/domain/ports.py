"""What the gateway needs of others."""

from __future__ import annotations

from typing import Protocol, TypeVar

from contracts.base import Message
from contracts.messages.api import AuthorizeRequest, RequestAuthorization

M = TypeVar("M", bound=Message)


class Identity(Protocol):
    """The one service that can open secret keys."""

    async def authorize(self, question: AuthorizeRequest) -> RequestAuthorization:
        """Whether a signature is genuine, and whether its user may do the action.

        Raises MigrationError SMS.BUS.UNAVAILABLE or SMS.SERVICE.UNAVAILABLE when it cannot be asked.
        """


class Services(Protocol):
    """The services behind the API."""

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
    ) -> M:
        """A request and its reply. Raises MigrationError: the service's own failure, or that it is unavailable."""
