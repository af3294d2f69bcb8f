"""Codes of what every service stands on: the bus, the store, requests between services."""

from __future__ import annotations

from typing import Final

from contracts.errors.code import ErrorCode

BUS_UNAVAILABLE: Final = ErrorCode(
    code="SMS.BUS.UNAVAILABLE",
    cause="The message bus at {bus_url} cannot be reached.",
    remedy="Look at `sms status`; start the bus or repair the network. Work that was accepted goes on by itself.",
    http_status=503,
    exit_code=6,
    is_resumable=True,
)
BUS_STREAM_DIFFERS: Final = ErrorCode(
    code="SMS.BUS.STREAM_DIFFERS",
    cause="Stream {stream} on the bus has {setting} = {found}; {wanted} is needed.",
    remedy="Change the stream with the bus's own tool, or stop every service and remove it: outboxes fill it again.",
    http_status=503,
    exit_code=6,
)
BUS_CONSUMER_DIFFERS: Final = ErrorCode(
    code="SMS.BUS.CONSUMER_DIFFERS",
    cause="Consumer {consumer} of stream {stream} has {setting} = {found}; {wanted} is needed.",
    remedy="Stop the service, remove the consumer with the bus's own tool and start the service again.",
    http_status=503,
    exit_code=6,
)
STORE_UNAVAILABLE: Final = ErrorCode(
    code="SMS.DB.UNAVAILABLE",
    cause="The store of service {service} does not answer: {reason}.",
    remedy="Repair the database (disk space, network, replica set primary) and ask again; nothing was lost.",
    http_status=503,
    exit_code=6,
    is_resumable=True,
)
STORE_CONFLICT: Final = ErrorCode(
    code="SMS.DB.CONFLICT",
    cause="{collection} {id} was changed by somebody else: version {expected_version} was expected.",
    remedy="Ask again: the newest version is read then.",
    exit_code=4,
)
STORE_DUPLICATE: Final = ErrorCode(
    code="SMS.DB.DUPLICATE",
    cause="{collection} {id} would break the rule {rule}: another record holds the same value.",
    remedy="Look at the existing record, and finish or delete it first.",
    exit_code=4,
)
EVENT_POISON: Final = ErrorCode(
    code="SMS.EVENT.POISON",
    cause="Service {service} gave up on message {message_id} of {subject} after {deliveries} deliveries: {reason}.",
    remedy="Read the message in the stream DLQ and the service's log, repair the cause, and publish it again.",
    http_status=500,
    is_resumable=True,
)
REQUEST_INVALID: Final = ErrorCode(
    code="SMS.REQUEST.INVALID",
    cause="The request to {subject} cannot be read: {reason}.",
    remedy="Correct the request; its schema is in contracts/schemas.",
    http_status=400,
    exit_code=2,
)
SERVICE_UNAVAILABLE: Final = ErrorCode(
    code="SMS.SERVICE.UNAVAILABLE",
    cause="Nobody answered the request to {subject} within {timeout_s} s.",
    remedy="Look at `sms status` whether the service runs, and ask again.",
    http_status=503,
    exit_code=6,
)
SERVICE_INTERNAL: Final = ErrorCode(
    code="SMS.SERVICE.INTERNAL",
    cause="Service {service} failed at {subject} in a way that it does not know ({reason}).",
    remedy="Look into the service's log at correlation id {correlation_id}; report it with that part of the log.",
    http_status=500,
)
