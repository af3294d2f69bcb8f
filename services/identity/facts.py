"""Identity's events on their way into the outbox."""

from __future__ import annotations

from typing import Final

from contracts.base import Message
from contracts.envelope import Envelope
from contracts.subjects import evt
from shared.store.port import OutgoingMessage

SERVICE: Final = "identity"


def fact(
    cause: Envelope, aggregate: str, identifier: str, what: str, message: Message, *, account: str = ""
) -> list[OutgoingMessage]:
    """The outbox of one change. account: whose event it is, when it is not the asker's."""
    owner = account or cause.account
    subject = evt(owner, aggregate, identifier, what)
    return [OutgoingMessage.of(subject, message, source=SERVICE, account=owner, cause=cause)]
