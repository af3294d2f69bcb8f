"""What the gateway needs of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from contracts.base import Message
from contracts.messages.api import ApiRequestRecorded, AuthorizeRequest, RequestAuthorization
from services.gateway.domain.answers import Answer

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
        timeout_s: float | None = None,
    ) -> M:
        """A request and its reply. timeout_s: None for the usual one.

        Raises MigrationError: the service's own failure, or that it is unavailable.
        """


@dataclass(frozen=True, kw_only=True)
class TraceEntry:
    """A record for the trace of one account. actor: printable ASCII."""

    account: str
    actor: str
    record: ApiRequestRecorded


@dataclass(frozen=True, kw_only=True)
class FoundAnswer:
    """A stored answer and the version that it was read at."""

    answer: Answer
    version: int


class Answers(Protocol):
    """Durable first answers. Every call may raise MigrationError SMS.DB.UNAVAILABLE: then nothing is certain."""

    async def load(self, account: str, identifier: str) -> FoundAnswer | None:
        """The newest version."""

    async def save(
        self, account: str, identifier: str, answer: Answer, *, over: int, trace: TraceEntry | None = None
    ) -> int | None:
        """Write it over version `over` (0: create), with its record for the trace in the same write.

        Returns the new version; None when somebody else was faster, and nothing was written.
        """

    async def forget(self, account: str, identifier: str, *, version: int, trace: TraceEntry) -> None:
        """Remove it, with a record for the trace; nothing happens when it has changed meanwhile."""


class TraceWriter(Protocol):
    """Records for the trace that belong to no stored answer."""

    async def write(self, entries: Sequence[TraceEntry]) -> None:
        """All of them in one durable write. Raises MigrationError SMS.DB.UNAVAILABLE."""
