"""Control messages of the data channel: small, JSON, validated before use; acknowledgements are binary."""

from __future__ import annotations

import hashlib
import struct
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from agents.transfer.frames import PROTOCOL_VERSION, Payload, protocol_error
from contracts.base import Model

ACK = struct.Struct("<QQ")
"""Applied and durable watermark: every frame up to them has been written, respectively is on disk."""

ModelType = TypeVar("ModelType", bound=Model)


class Hello(Model):
    """First message of the source on its control connection, and of the target in its reply.

    plan_digest: hash over the volumes of the plan; both ends must have the same.
    """

    protocol_version: int = PROTOCOL_VERSION
    task_id: str
    role: Literal["source", "target"]
    plan_digest: str


class HeldRange(Model):
    """What the target holds of one session: frames first to held; those up to the next session are lost."""

    first: int = Field(ge=0)
    held: int = Field(ge=0)


class HelloReply(Model):
    """The target's answer. target_id changes when its journal is lost. sessions: in order of first.

    highest_seen: greatest sequence of any frame that arrived. held_bytes: wire bytes of all held frames.
    join_token: binds the data connections to this control connection.
    """

    hello: Hello
    target_id: str
    sessions: tuple[HeldRange, ...] = ()
    highest_seen: int = Field(default=0, ge=0)
    held_bytes: int = 0
    join_token: str = ""


class Begin(Model):
    """The source's decision after the reply: go on in the last session, or begin a new one at first."""

    first: int = Field(ge=1)
    is_continued: bool = False
    connections: int = Field(ge=1, le=16)


class Join(Model):
    """First message on a data connection. stream: its number, from 1."""

    join_token: str
    stream: int = Field(ge=1, le=16)


class LostEntries(Model):
    """Rows of the source's catalogue whose files the target does not have where they should be."""

    rows: tuple[int, ...]


def plan_digest(volumes: dict[int, str]) -> str:
    """Hash of a plan's volumes: index and mount point (as the migrated system sees it)."""
    text = "\n".join(f"{index}\t{mount_point}" for index, mount_point in sorted(volumes.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def parse(model: type[ModelType], payload: Payload) -> ModelType:
    """A control message from its payload. Raises MigrationError SMS.TRANSFER.PROTOCOL."""
    if len(payload) > 1 << 20:
        raise protocol_error(f"{model.__name__} message of {len(payload)} bytes")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise protocol_error(f"{model.__name__} message that is not valid") from error


def dump(message: Model) -> bytes:
    """The payload of a control message."""
    return message.model_dump_json().encode()
