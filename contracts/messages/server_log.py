"""The collected logs of source servers' agents: what the registry is asked, and what it says."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from contracts.base import Message, MessageKind, Model
from contracts.errors import Failure

ServerLogState = Literal["requested", "complete", "failed"]


class ServerLogView(Model):
    """A collected log without its text. size_bytes: of the text. failure: why there is none, when state is failed."""

    log_id: str
    server_id: str
    state: ServerLogState
    requested_at: datetime
    completed_at: datetime | None = None
    size_bytes: int = 0
    failure: Failure | None = None


class CollectServerLog(Message):
    """Request ``registry.collect-log``: have the server's agent send its log. Answered with the log's id (Accepted)
    once the agent has taken the command; the log itself follows within seconds.

    One log of a server is collected at a time: while one is under way, its id is the answer.
    """

    TYPE: ClassVar[str] = "sms.registry.collect-log"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    idempotency_key: str = ""


class ListServerLogs(Message):
    """Request ``registry.list-logs``: the logs of a server that are kept."""

    TYPE: ClassVar[str] = "sms.registry.list-logs"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str


class ServerLogList(Message):
    """Newest first."""

    TYPE: ClassVar[str] = "sms.registry.log-list"
    KIND: ClassVar[MessageKind] = "reply"
    logs: tuple[ServerLogView, ...]


class ReadServerLog(Message):
    """Request ``registry.read-log``. log_id: "" for the newest complete one. part: from 0."""

    TYPE: ClassVar[str] = "sms.registry.read-log"
    KIND: ClassVar[MessageKind] = "request"
    server_id: str
    log_id: str = ""
    part: int = 0


class ServerLogPart(Message):
    """A part of the text, of parts in all. Masked, without control characters but line feeds and tabs."""

    TYPE: ClassVar[str] = "sms.registry.log-part"
    KIND: ClassVar[MessageKind] = "reply"
    log: ServerLogView
    part: int
    parts: int
    text: str


class ServerLogCollected(Message):
    """Event ``server.<id>.log-collected``: a log can be read, or has failed."""

    TYPE: ClassVar[str] = "sms.registry.log-collected"
    KIND: ClassVar[MessageKind] = "event"
    server_id: str
    log_id: str
    size_bytes: int = 0
    failure: Failure | None = None
