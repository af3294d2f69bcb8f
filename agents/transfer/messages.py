"""Control messages of the data channel: small, JSON, validated before use; acknowledgements are binary."""

from __future__ import annotations

import hashlib
import struct
from functools import cache
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

import contracts.errors.disks
import contracts.errors.transfer
from agents.transfer.frames import GREATEST_NUMBER, PROTOCOL_VERSION, Payload, protocol_error
from contracts.base import Model
from contracts.errors.code import ErrorCode, Failure, MigrationError

ACK = struct.Struct("<QQ")
"""Applied and durable watermark: every frame up to them has been written, respectively is on disk."""

ModelType = TypeVar("ModelType", bound=Model)
_Number = Annotated[int, Field(ge=0, le=GREATEST_NUMBER)]
_MOST_SESSIONS = 256
_LONGEST_PARAMETER = 300


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

    first: _Number
    held: _Number


class HelloReply(Model):
    """The target's answer. target_id changes when its journal is lost. sessions: in order of first.

    highest_seen: greatest sequence of any frame that arrived. held_bytes: wire bytes of all held frames.
    join_token: binds the data connections to this control connection.
    """

    hello: Hello
    target_id: str
    sessions: tuple[HeldRange, ...] = Field(default=(), max_length=_MOST_SESSIONS)
    highest_seen: _Number = 0
    held_bytes: _Number = 0
    join_token: str = ""


class Begin(Model):
    """The source's decision after the reply: go on in the last session, or begin a new one at first."""

    first: int = Field(ge=1, le=GREATEST_NUMBER + 1)
    is_continued: bool = False
    connections: int = Field(ge=1, le=16)


class Join(Model):
    """First message on a data connection. stream: its number, from 1."""

    join_token: str
    stream: int = Field(ge=1, le=16)


class LostEntries(Model):
    """Rows of the source's catalogue whose files the target does not have where they should be."""

    rows: tuple[_Number, ...]


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


def parse_ack(payload: Payload) -> tuple[int, int]:
    """Applied and durable watermark. Raises MigrationError SMS.TRANSFER.PROTOCOL."""
    if len(payload) != ACK.size:
        raise protocol_error(f"acknowledgement of {len(payload)} bytes")
    applied, durable = ACK.unpack(payload)
    return applied, durable


def peer_failure(payload: Payload) -> MigrationError:
    """What the other end says has gone wrong there, with our texts: they are shown to users and kept in logs.

    Only the figures and names in it are the peer's: cut to a line, without control characters.
    """
    said = parse(Failure, payload)
    code = _failures().get(said.code)
    if code is None or not code.parameter_names() <= said.parameters.keys():
        return protocol_error(f"failure of the code {_line(said.code)}, which no peer reports")
    return MigrationError(code, **{name: _line(said.parameters[name]) for name in code.parameter_names()})


@cache
def _failures() -> dict[str, ErrorCode]:
    """The codes that one end of a channel reports to the other: of the channel, and of the disks behind it."""
    areas = (contracts.errors.transfer, contracts.errors.disks)
    found = (value for area in areas for value in vars(area).values() if isinstance(value, ErrorCode))
    return {code.code: code for code in found}


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:_LONGEST_PARAMETER])


def dump(message: Model) -> bytes:
    """The payload of a control message."""
    return message.model_dump_json().encode()
