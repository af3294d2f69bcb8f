"""Durable pull consumers: the wanted configuration, and whether the bus has it."""

from __future__ import annotations

from typing import Any, Final

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from contracts.errors import MigrationError
from contracts.errors.platform import BUS_CONSUMER_DIFFERS
from shared.settings import ServiceSettings
from shared.telemetry import log

# The bus itself delivers without limit: the receiver counts and buries. With a limit in the bus, a dead letter
# that could not be written at the last delivery would be a lost message.
_UNLIMITED: Final = -1
_COMPARED: Final = ("ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "deliver_policy", "filter_subject")


def durable_name(service: str, subject_filter: str) -> str:
    """The default name of a consumer: stable over restarts, equal in all replicas of a service."""
    tail = subject_filter.removeprefix("sms.v1.").replace("*", "any").replace(">", "all").replace(".", "-")
    return f"{service}-{tail}"


def consumer_config(settings: ServiceSettings, durable: str, subject_filter: str) -> ConsumerConfig:
    """Explicit acknowledgement, everything from the stream's start on, few unanswered messages at a time."""
    return ConsumerConfig(
        name=durable,
        durable_name=durable,
        filter_subject=subject_filter,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait_s,
        max_deliver=_UNLIMITED,
        max_ack_pending=settings.max_ack_pending,
    )


async def ensure_consumer(jetstream: JetStreamContext, stream: str, wanted: ConsumerConfig) -> None:
    """Create the consumer; raise SMS.BUS.CONSUMER_DIFFERS when it exists and is not as wanted."""
    name = wanted.durable_name or ""
    try:
        found = (await jetstream.consumer_info(stream, name)).config
    except NotFoundError:
        found = (await jetstream.add_consumer(stream, config=wanted)).config
        log("consumer created", stream=stream, consumer=name)
    for setting in _COMPARED:
        there: Any = getattr(found, setting)
        here: Any = getattr(wanted, setting)
        if there != here:
            raise MigrationError(
                BUS_CONSUMER_DIFFERS, stream=stream, consumer=name, setting=setting, found=there, wanted=here
            )
