"""The log of an agent on its way to the registry: the command that asks for it, and the statuses that bring it."""

from __future__ import annotations

from typing import ClassVar, Final

from contracts.base import Message, MessageKind
from contracts.messages.agent import AgentCommand

# The newest text that is collected; what is older stays on the server.
LOG_TEXT_BYTES: Final = 2 << 20
# Base64 of it fits into a bus message of 900 KiB.
LOG_CHUNK_BYTES: Final = 512 << 10
# Text that does not compress at all, with what zstd adds to it.
LOG_CHUNKS: Final = 5


class CollectLog(AgentCommand):
    """Send the newest part of the agent's own log as statuses `log`, secrets masked. Answers no result.

    log_id: comes back with every chunk. task_id is empty, epoch the time of the request in Unix milliseconds.
    """

    TYPE: ClassVar[str] = "sms.agent.command.collect-log"
    VERB: ClassVar[str] = "collect-log"
    IS_ORDERED: ClassVar[bool] = False
    log_id: str
    max_bytes: int = LOG_TEXT_BYTES


class AgentLogChunk(Message):
    """Status ``log``: a part of a collected log.

    number: from 0, of count. content: base64 of at most LOG_CHUNK_BYTES of one zstd frame that all parts together
    make up; sha256: hex, of that whole frame. The frame holds UTF-8 text of at most LOG_TEXT_BYTES.
    """

    TYPE: ClassVar[str] = "sms.agent.log-chunk"
    KIND: ClassVar[MessageKind] = "status"
    log_id: str
    number: int
    count: int
    sha256: str
    content: str
