"""CloudEvents 1.0 attributes as NATS headers; the payload of a message is its JSON data alone.

Header names follow the CloudEvents NATS protocol binding (``ce-`` prefix); ``traceparent`` is W3C's.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from contracts.base import Message

MESSAGE_ID_HEADER = "Nats-Msg-Id"


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What is known of a message besides its data.

    id: unique, also the ``Nats-Msg-Id``. source: the service or agent that speaks (``/services/task``).
    type and version name the schema. correlation_id: the same through everything that one user request
    causes (a task's id for its saga). causation_id: the message that caused this one. account: the owner.
    actor: the access key, agent or service on whose behalf this happens.
    """

    type: str
    version: int
    source: str
    account: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    actor: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    subject: str = ""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    traceparent: str = ""

    @classmethod
    def of(cls, message: Message, *, source: str, account: str, **attributes: str) -> Envelope:
        """The envelope of a message; attributes are this class's optional fields."""
        return cls(type=message.TYPE, version=message.VERSION, source=source, account=account, **attributes)  # type: ignore[arg-type]

    def headers(self) -> dict[str, str]:
        """The NATS headers; empty attributes are left out."""
        named = {
            MESSAGE_ID_HEADER: self.id,
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-source": self.source,
            "ce-type": self.type,
            "ce-time": self.time.isoformat(),
            "ce-subject": self.subject,
            "ce-dataschema": f"sms:{self.type}:{self.version}",
            "ce-datacontenttype": "application/json",
            "ce-smsaccount": self.account,
            "ce-smsactor": self.actor,
            "ce-correlationid": self.correlation_id,
            "ce-causationid": self.causation_id,
            "traceparent": self.traceparent,
        }
        return {name: value for name, value in named.items() if value}

    @classmethod
    def from_headers(cls, headers: dict[str, str]) -> Envelope:
        """Read an envelope back. Raises ValueError when an attribute that every message has is missing."""
        try:
            schema = headers["ce-dataschema"]
            _, type_name, version = schema.rsplit(":", 2) if schema.count(":") == 2 else ("", "", "")
            return cls(
                type=type_name,
                version=int(version),
                source=headers["ce-source"],
                account=headers.get("ce-smsaccount", ""),
                id=headers["ce-id"],
                actor=headers.get("ce-smsactor", ""),
                correlation_id=headers.get("ce-correlationid", ""),
                causation_id=headers.get("ce-causationid", ""),
                subject=headers.get("ce-subject", ""),
                time=datetime.fromisoformat(headers["ce-time"]),
                traceparent=headers.get("traceparent", ""),
            )
        except KeyError as missing:
            raise ValueError(f"the message has no header {missing}") from missing
