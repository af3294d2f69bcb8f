"""The JetStream streams: which subjects are kept, how long, and whether the bus has them as wanted."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NotFoundError

from contracts.errors import MigrationError
from contracts.errors.platform import BUS_STREAM_DIFFERS
from contracts.messages.agent_log import LOG_CHUNKS
from contracts.subjects import ROOT
from shared.telemetry import log

_DAY_S: Final = 24 * 3600
DUPLICATE_WINDOW_S: Final = 600


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """One stream. share: its part of the disk space given to all streams. max_per_subject: -1 for any number."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: int
    discard: DiscardPolicy = DiscardPolicy.OLD
    is_undeletable: bool = False
    share: float = 1.0
    max_per_subject: int = -1

    def config(self, max_bytes: int, replicas: int) -> StreamConfig:
        """The wanted configuration; max_bytes is the space of a stream with share 1."""
        return StreamConfig(
            name=self.name,
            subjects=list(self.subjects),
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=self.discard,
            max_age=self.max_age_s,
            max_bytes=int(max_bytes * self.share),
            max_msgs_per_subject=self.max_per_subject,
            duplicate_window=DUPLICATE_WINDOW_S,
            num_replicas=replicas,
            deny_delete=self.is_undeletable,
            deny_purge=self.is_undeletable,
        )


# Heartbeats and progress are not kept: what they say is old after seconds.
_KEPT_OF_AGENTS: Final = ("registered", "inventory", "result")
_LOG_OF_AGENTS: Final = "log"

STREAMS: Final = (
    # A full command stream refuses the newest command, which stays in its outbox, rather than lose the oldest.
    StreamPlan(name="CMD", subjects=(f"{ROOT}.cmd.>",), max_age_s=14 * _DAY_S, discard=DiscardPolicy.NEW),
    StreamPlan(name="EVT", subjects=(f"{ROOT}.evt.>",), max_age_s=14 * _DAY_S),
    StreamPlan(
        name="AGENT",
        subjects=tuple(f"{ROOT}.agent.*.*.status.{kind}" for kind in _KEPT_OF_AGENTS),
        max_age_s=7 * _DAY_S,
    ),
    # Apart from the others, and few per agent: whatever one agent sends, no result and no other's log gives way.
    StreamPlan(
        name="AGENTLOG",
        subjects=(f"{ROOT}.agent.*.*.status.{_LOG_OF_AGENTS}",),
        max_age_s=_DAY_S,
        share=0.25,
        max_per_subject=2 * LOG_CHUNKS,
    ),
    StreamPlan(name="AUDIT", subjects=(f"{ROOT}.audit.>",), max_age_s=90 * _DAY_S, is_undeletable=True),
    StreamPlan(name="DLQ", subjects=(f"{ROOT}.dlq.>",), max_age_s=90 * _DAY_S, share=0.25),
)

# What must be equal; the space may be changed by whoever runs the bus.
_COMPARED: Final = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "max_age",
    "duplicate_window",
    "deny_delete",
    "deny_purge",
)


def stream_of(subject: str) -> str:
    """The stream that keeps a subject or filter. Raises ValueError for one that is not kept."""
    parts = subject.split(".")
    kind = parts[2] if len(parts) > 2 else ""
    if kind == "agent" and parts[-1] == _LOG_OF_AGENTS:
        return "AGENTLOG"
    if kind == "agent" and parts[-1] not in _KEPT_OF_AGENTS:
        raise ValueError(f"{subject} is not kept in a stream")
    for plan in STREAMS:
        if plan.subjects[0].split(".")[2] == kind:
            return plan.name
    raise ValueError(f"{subject} is not kept in a stream")


async def ensure_streams(
    jetstream: JetStreamContext, *, max_bytes: int = 1 << 30, replicas: int = 1, patience_s: float = 30
) -> None:
    """Create what is missing; raise SMS.BUS.STREAM_DIFFERS when one exists that is not as wanted.

    Waits up to patience_s for a bus whose JetStream is still starting.
    """
    for plan in STREAMS:
        wanted = plan.config(max_bytes, replicas)
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                await _ensure_stream(jetstream, wanted)
                break
            except NatsError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                log("bus not ready for streams", level=logging.WARNING, error=error, stream=plan.name)
                await asyncio.sleep(1)


async def _ensure_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    name = wanted.name or ""
    try:
        found = (await jetstream.stream_info(name)).config
    except NotFoundError:
        try:
            await jetstream.add_stream(config=wanted)
        except BadRequestError as error:
            # Another service was faster; what it made is compared like any other.
            log("stream not created", level=logging.DEBUG, error=error, stream=name)
        else:
            log("stream created", stream=name)
        found = (await jetstream.stream_info(name)).config
    except APIError as error:
        raise NatsError(str(error)) from error
    for setting in _COMPARED:
        _compare(name, setting, getattr(found, setting), getattr(wanted, setting))


def _compare(stream: str, setting: str, found: Any, wanted: Any) -> None:
    if setting == "subjects":
        found, wanted = sorted(found or ()), sorted(wanted or ())
    if (found or None) != (wanted or None):
        raise MigrationError(BUS_STREAM_DIFFERS, stream=stream, setting=setting, found=found, wanted=wanted)
