"""Measures the way to the target over the task's own channel: delay, jitter, loss, bandwidth, within seconds."""

from __future__ import annotations

import os
import ssl
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from agents.source.copy.channel import CONNECTIONS
from agents.source.copy.rate_limit import TokenBucket
from agents.source.load import LoadMeter
from agents.task_folder import TaskFolder
from agents.transfer.connection import Connection
from agents.transfer.frames import Kind, control_frame
from agents.transfer.messages import dump, parse
from agents.transfer.probe import BULK_BYTES, ECHO_BYTES, ProbeBegin, ProbeCount, incompressible
from agents.transfer.tls import check_peer, source_context
from contracts.errors import MigrationError
from contracts.errors.network import NETWORK_UNREACHABLE
from contracts.messages.network import CheckNetwork
from contracts.speed_limit import SpeedLimits
from contracts.task_settings import NetworkCheck

_ECHOES: Final = 30
_ECHO_FOR_S: Final = 3.0
_BULK_FOR_S: Final = 2.0
_ANSWER_WITHIN_S: Final = 15.0
# As many connections as a copy sends contents on.
_STREAMS: Final = CONNECTIONS - 2


@dataclass(frozen=True)
class _Bulk:
    """What one connection brought across. segments, retransmitted: of TCP; segments 0 where the kernel does not say."""

    count: ProbeCount
    segments: int
    retransmitted: int


class NetworkMeasurement:
    """One measurement. limits: it obeys them as the copy would, and then measures them."""

    def __init__(
        self, *, task_id: str, endpoints: Sequence[tuple[str, int]], tls: ssl.SSLContext, limits: SpeedLimits
    ) -> None:
        self._task_id = task_id
        self._endpoints = endpoints
        self._tls = tls
        self._bucket = TokenBucket(limits)

    def run(self) -> NetworkCheck:
        """Blocks for a few seconds. Raises MigrationError SMS.NETWORK.UNREACHABLE, SMS.TRANSFER.*."""
        load = LoadMeter()
        load.load(now_s=time.monotonic())
        endpoint, delays_s = self._delays()
        bulks = self._bulks(endpoint)
        seconds = max((each.count.seconds for each in bulks), default=0.0)
        size = sum(each.count.size_bytes for each in bulks)
        segments = sum(each.segments for each in bulks)
        lost = sum(each.retransmitted for each in bulks)
        busy = load.load(now_s=time.monotonic())
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limit = self._bucket.limit.rate_bit_s
        return NetworkCheck(
            has_target_connectivity=True,
            delay_ms=round(statistics.median(delays_s) * 1000, 3),
            jitter_ms=round(jitter_s(delays_s) * 1000, 3),
            bandwidth_mbit_s=round(size * 8 / seconds / 1e6, 2) if seconds > 0 else 0.0,
            loss_percent=round(100 * lost / segments, 3) if segments else 0.0,
            cpu_percent=busy.total_cpu_percent if busy else 0.0,
            memory_percent=round(100 * busy.total_memory_bytes / memory, 1) if busy else 0.0,
            limit_mbit_s=round(limit / 1e6, 2) if limit else None,
            verdict="",
        )

    def _delays(self) -> tuple[tuple[str, int], list[float]]:
        """The endpoint that answers, and the round trips to it."""
        failed = "there is no address"
        for endpoint in self._endpoints:
            try:
                with self._connected(endpoint, "echo") as connection:
                    return endpoint, _round_trips(connection)
            except (OSError, EOFError) as error:
                failed = f"{endpoint[0]}:{endpoint[1]}: {error}"
        raise MigrationError(NETWORK_UNREACHABLE, task_id=self._task_id, reason=failed)

    def _bulks(self, endpoint: tuple[str, int]) -> list[_Bulk]:
        done: list[_Bulk] = []
        errors: list[Exception] = []

        def send() -> None:
            try:
                with self._connected(endpoint, "bulk") as connection:
                    done.append(self._send(connection))
            except Exception as error:  # noqa: BLE001 - edge of a thread: raised by the one that waits
                errors.append(error)

        threads = [threading.Thread(target=send, name="probe", daemon=True) for _ in range(_STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors and not done:
            error = errors[0]
            if isinstance(error, MigrationError):
                raise error
            raise MigrationError(NETWORK_UNREACHABLE, task_id=self._task_id, reason=error) from error
        return done

    def _send(self, connection: Connection) -> _Bulk:
        probe = control_frame(Kind.PROBE, incompressible(BULK_BYTES))
        until = time.monotonic() + _BULK_FOR_S
        connection.send(probe)
        while time.monotonic() < until:
            connection.send(probe, lambda length: self._bucket.take(length, lambda: None))
        connection.send_control(Kind.PROBE, b"")
        count = parse(ProbeCount, connection.expect(Kind.PROBE_REPLY))
        segments, retransmitted = connection.segments()
        return _Bulk(count, segments, retransmitted)

    @contextmanager
    def _connected(self, endpoint: tuple[str, int], kind: Literal["echo", "bulk"]) -> Iterator[Connection]:
        connection = Connection.open(endpoint, self._tls)
        try:
            check_peer(connection.peer_certificate, task_id=self._task_id, role="target")
            connection.set_timeout(_ANSWER_WITHIN_S)
            connection.send_control(Kind.PROBE, dump(ProbeBegin(kind=kind)))
            yield connection
        finally:
            connection.close()
            connection.release()


def jitter_s(delays_s: Sequence[float]) -> float:
    """The mean difference of two delays that follow one another."""
    steps = [abs(after - before) for before, after in pairwise(delays_s)]
    return statistics.fmean(steps) if steps else 0.0


def _round_trips(connection: Connection) -> list[float]:
    delays_s: list[float] = []
    until = time.monotonic() + _ECHO_FOR_S
    while len(delays_s) < _ECHOES and (time.monotonic() < until or not delays_s):
        began = time.monotonic()
        connection.send_control(Kind.PROBE, bytes(ECHO_BYTES))
        connection.expect(Kind.PROBE_REPLY)
        delays_s.append(time.monotonic() - began)
    return delays_s


def measure(command: CheckNetwork, folder: TaskFolder) -> NetworkCheck:
    """Carry out a command with the task's key. Raises MigrationError."""
    channel = command.channel
    tls = source_context(certificate=channel.certificate_pem, key=folder.key_pem(), authority=channel.authority_pem)
    measurement = NetworkMeasurement(
        task_id=command.task_id, endpoints=command.endpoints, tls=tls, limits=command.limits
    )
    return measurement.run()
