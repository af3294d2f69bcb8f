"""The way to a real target over real TLS: what is measured, under which limits, and who may not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transfer_kit import TASK, Authority

from agents.source.network_check import NetworkMeasurement, jitter_s
from agents.target.receive.server import TargetServer
from agents.transfer.connection import Connection
from agents.transfer.frames import Kind
from agents.transfer.messages import dump
from agents.transfer.probe import MOST_ECHOES, ProbeBegin
from agents.transfer.tls import source_context, target_context
from contracts.errors import MigrationError
from contracts.speed_limit import SpeedLimit, SpeedLimits


class Listening:
    """A target with nothing to write to."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        self.server = TargetServer(
            task_id=TASK,
            listen=("127.0.0.1", 0),
            tls=target_context(**self.authority.leaf("target")),
            volumes={},
            mount_points={},
            state_folder=folder,
            applied_survives_restart=True,
        )
        self.endpoint = self.server.start()

    def measurement(
        self, endpoint: tuple[str, int] | None = None, limit_bit_s: int | None = None
    ) -> NetworkMeasurement:
        return NetworkMeasurement(
            task_id=TASK,
            endpoints=[endpoint or self.endpoint],
            tls=source_context(**self.authority.leaf("source")),
            limits=SpeedLimits(otherwise=SpeedLimit(rate_bit_s=limit_bit_s)),
        )


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Listening]:
    listening = Listening(tmp_path)
    yield listening
    listening.server.stop()


def relay(endpoint: tuple[str, int], delay_s: float) -> tuple[str, int]:
    """Forwards each part so much later, in both directions."""
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, sink: socket.socket) -> None:
        try:
            while part := source.recv(1 << 20):
                time.sleep(delay_s)
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(endpoint)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=forward, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    host, port = listener.getsockname()
    return str(host), int(port)


def test_a_measurement_takes_seconds_and_says_what_the_way_is_like(target: Listening) -> None:
    began = time.monotonic()
    found = target.measurement().run()
    assert time.monotonic() - began < 8
    assert found.has_target_connectivity
    assert 0 < found.delay_ms < 100
    assert found.bandwidth_mbit_s > 50
    assert found.loss_percent < 5
    assert found.memory_percent > 0


def test_a_long_way_is_measured_as_long(target: Listening) -> None:
    near, far = target.measurement().run(), target.measurement(relay(target.endpoint, 0.02)).run()
    assert 40 <= far.delay_ms < 200
    assert near.delay_ms < far.delay_ms


def test_a_measurement_obeys_the_limit_of_the_task(target: Listening) -> None:
    found = target.measurement(limit_bit_s=20_000_000).run()
    assert found.limit_mbit_s == 20
    # How near it comes to the limit depends on what else the machine does.
    assert 0 < found.bandwidth_mbit_s < 28


def test_a_target_that_nobody_reaches_is_named(target: Listening) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(MigrationError, match=r"SMS\.NETWORK\.UNREACHABLE") as failed:
        target.measurement(("127.0.0.1", port)).run()
    assert str(port) in failed.value.failure.cause


def test_a_stranger_measures_nothing(target: Listening) -> None:
    stranger = Authority()
    measurement = NetworkMeasurement(
        task_id=TASK, endpoints=[target.endpoint], tls=source_context(**stranger.leaf("source")), limits=SpeedLimits()
    )
    with pytest.raises(MigrationError):
        measurement.run()


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"kind": "flood"}', b"\xff" * 100])
def test_a_probe_that_says_nothing_sensible_is_refused(target: Listening, payload: bytes) -> None:
    connection = Connection.open(target.endpoint, source_context(**target.authority.leaf("source")))
    connection.set_timeout(5)
    connection.send_control(Kind.PROBE, payload)
    assert connection.receive().kind is Kind.FAILURE
    connection.release()


def test_echoes_end(target: Listening) -> None:
    connection = Connection.open(target.endpoint, source_context(**target.authority.leaf("source")))
    connection.set_timeout(5)
    connection.send_control(Kind.PROBE, dump(ProbeBegin(kind="echo")))
    for _ in range(MOST_ECHOES):
        connection.send_control(Kind.PROBE, b"x")
        connection.expect(Kind.PROBE_REPLY)
    with pytest.raises((OSError, EOFError)):
        connection.receive()
    connection.release()


def test_jitter_is_the_mean_step_between_delays() -> None:
    assert jitter_s([0.01]) == 0
    assert jitter_s([0.010, 0.014, 0.012]) == pytest.approx(0.003)
