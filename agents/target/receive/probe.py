"""The target's end of a measurement of the network: answers and counts, and touches no volume."""

from __future__ import annotations

import time

from agents.transfer.connection import Connection
from agents.transfer.frames import Kind, Payload, protocol_error
from agents.transfer.messages import dump, parse
from agents.transfer.probe import LONGEST_S, MOST_BULK_BYTES, MOST_ECHOES, ProbeBegin, ProbeCount


def serve_probe(connection: Connection, payload: Payload) -> None:
    """payload: of the first frame. Ends when the source ends it, or at the limits.

    Raises OSError, EOFError, MigrationError SMS.TRANSFER.PROTOCOL.
    """
    begin = parse(ProbeBegin, payload)
    deadline = time.monotonic() + LONGEST_S
    if begin.kind == "bulk":
        _count(connection, deadline)
        return
    for _ in range(MOST_ECHOES):
        connection.send_control(Kind.PROBE_REPLY, bytes(_next(connection, deadline)))


def _count(connection: Connection, deadline: float) -> None:
    _next(connection, deadline)  # it starts the clock
    began = ended = time.monotonic()
    size = 0
    while part := _next(connection, deadline):
        ended = time.monotonic()
        size += len(part)
        if size > MOST_BULK_BYTES:
            raise protocol_error("a measurement of the network that does not end")
    connection.send_control(Kind.PROBE_REPLY, dump(ProbeCount(size_bytes=size, seconds=ended - began)))


def _next(connection: Connection, deadline: float) -> Payload:
    if time.monotonic() > deadline:
        raise protocol_error("a measurement of the network that takes too long")
    return connection.expect(Kind.PROBE)
