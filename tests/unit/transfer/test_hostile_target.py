"""A target with a good certificate that says whatever it likes: the source ends with a code and stays as it is."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from transfer_kit import TASK, Authority, snapshot

from agents.source.copy.session import SourceSession
from agents.source.network_check import NetworkMeasurement
from agents.transfer.connection import Connection
from agents.transfer.entries import Entry, EntryKind, encode_group
from agents.transfer.frames import FLAG_COMPRESSED, HEADER, PROTOCOL_VERSION, Frame, Kind, control_frame
from agents.transfer.messages import ACK, Begin, Hello, HelloReply, LostEntries, dump, parse, plan_digest
from agents.transfer.probe import ProbeCount
from agents.transfer.tls import source_context, target_context
from agents.transfer.verification import RESULT
from contracts.errors import MigrationError
from contracts.layout import CopyVolume
from contracts.speed_limit import SpeedLimit, SpeedLimits

pytestmark = pytest.mark.root
HELLO = Hello(task_id=TASK, role="target", plan_digest=plan_digest({0: "/"}))


@dataclass
class Target:
    """reply: what answers the hello, None for what a true target says. speak: called with the control connection and
    the sequence of each frame of a kind. waits_for: that kind, None for all."""

    reply: bytes | None = None
    speak: Callable[[Connection, int], None] = lambda *_: None
    waits_for: Kind | None = Kind.BATCH

    def start(self, authority: Authority) -> tuple[str, int]:
        self._tls = target_context(**authority.leaf("target"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[Connection] = []
        threading.Thread(target=self._serve, daemon=True).start()
        return self._listener.getsockname()[:2]

    def stop(self) -> None:
        # Closing alone does not wake who waits in accept, and leaves him the next connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._greet, args=(plain,), daemon=True).start()

    def _greet(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, MigrationError):
            connection = Connection.accept(plain, self._tls)
            self._open.append(connection)
            frame = connection.receive()
            if frame.kind is Kind.HELLO:
                self._control = connection
                good = HelloReply(hello=HELLO, target_id="t", join_token="secret")  # noqa: S106 - a token of a test
                connection.send_control(Kind.HELLO_REPLY, self.reply if self.reply is not None else dump(good))
                self._first = parse(Begin, connection.expect(Kind.BEGIN)).first
            elif frame.kind is Kind.JOIN:
                self._take(connection)

    def _take(self, connection: Connection) -> None:
        connection.set_timeout(None)
        while True:
            frame = connection.receive()
            if self.waits_for in (frame.kind, None):
                self.speak(self._control, frame.sequence)
            elif self.waits_for is not Kind.BATCH:
                # As a true one would: what is verified has been copied before.
                self._control.send_control(Kind.ACK, ACK.pack(frame.sequence, frame.sequence))


class Victim:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.authority = folder, Authority()
        self.tree = folder / "source"
        (self.tree / "folder").mkdir(parents=True)
        for number in range(20):
            (self.tree / f"folder/{number}").write_bytes(b"x" * number)
        self.before = snapshot(self.tree)

    def session(self, endpoint: tuple[str, int], *, retry_s: float = 5) -> SourceSession:
        volume = CopyVolume(
            index=0, mount_point="/", source_path=str(self.tree), target_disk="vda", target_partition=1, kind="ext4"
        )
        return SourceSession(
            task_id=TASK,
            volumes=[volume],
            endpoints=[endpoint],
            tls=source_context(**self.authority.leaf("source")),
            state_folder=self.folder / "state",
            excludes=(),
            own_paths=(),
            on_progress=lambda _: None,
            retry_s=retry_s,
        )

    def code_of(self, target: Target, *, verifies: bool = False) -> str:
        session = self.session(target.start(self.authority))
        # A source that hangs is as bad as one that breaks.
        timer = threading.Timer(15, session.request_stop)
        timer.start()
        try:
            with pytest.raises(MigrationError) as caught:
                session.verify() if verifies else session.copy()
        finally:
            timer.cancel()
            target.stop()
        assert snapshot(self.tree) == self.before
        assert {path.name for path in self.folder.iterdir()} <= {"source", "state"}
        assert len(caught.value.failure.cause) < 2000
        assert caught.value.failure.cause.isprintable()
        return caught.value.code


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    return Victim(tmp_path)


def reply(**changes: object) -> bytes:
    good = {"hello": HELLO.model_dump(), "target_id": "t", "sessions": [], "join_token": "secret"}
    return json.dumps(good | changes).encode()


def hello(**changes: object) -> bytes:
    return reply(hello=HELLO.model_dump() | changes)


BAD_REPLIES = {
    "empty": b"",
    "no JSON": b"\xff\xfe",
    "a list": b"[]",
    "without hello": b'{"target_id": "t"}',
    "hello is text": reply(hello="hello"),
    "deep": b"[" * 100_000,
    "more than a mebibyte": b" " * (1 << 20) + reply(),
    "sessions that are numbers": reply(sessions=[1, 2]),
    "a session before zero": reply(sessions=[{"first": -1, "held": 4}]),
    "a session beyond 64 bits": reply(sessions=[{"first": 1, "held": 1 << 70}]),
    "a thousand sessions": reply(sessions=[{"first": n, "held": n} for n in range(1000)]),
    "numbers beyond 64 bits": reply(highest_seen=1 << 64),
    "numbers that fill what is stored": reply(highest_seen=(1 << 63) - 1),
    "fewer than no bytes": reply(held_bytes=-1),
    "more bytes than there are": reply(held_bytes=1 << 80),
    "a float": reply(highest_seen=1e300),
    "not a number": reply().replace(b'"sessions": []', b'"highest_seen": NaN'),
}


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_reply_that_is_not_one_is_refused(victim: Victim, name: str) -> None:
    assert victim.code_of(Target(reply=BAD_REPLIES[name])) == "SMS.TRANSFER.PROTOCOL"


@pytest.mark.parametrize(
    "changes",
    [{"task_id": "another"}, {"role": "source"}, {"plan_digest": "0" * 64}, {"protocol_version": 99}],
    ids=lambda changes: next(iter(changes)),
)
def test_reply_of_another_tasks_target_is_refused(victim: Victim, changes: dict[str, object]) -> None:
    assert victim.code_of(Target(reply=hello(**changes))) == "SMS.TRANSFER.HELLO_REFUSED"


def says(*frames: Frame) -> Callable[[Connection, int], None]:
    def speak(control: Connection, _: int) -> None:
        for frame in frames:
            control.send(frame)

    return speak


def raw(data: bytes) -> Callable[[Connection, int], None]:
    return lambda control, _: control._socket.sendall(data)


def ack(applied: int, durable: int) -> Callable[[Connection, int], None]:
    return says(control_frame(Kind.ACK, ACK.pack(applied, durable)))


def beyond(extra: int) -> Callable[[Connection, int], None]:
    def speak(control: Connection, sequence: int) -> None:
        control.send_control(Kind.ACK, ACK.pack(sequence + extra, 0))

    return speak


def verdict(path: bytes, data: bytes, volume: int = 0, name: bytes = b"x") -> bytes:
    return b"".join(encode_group(volume, path, [Entry(EntryKind.REGULAR, name, data=data)]))


EVIL_WORDS: dict[str, Callable[[Connection, int], None]] = {
    "acknowledges what was not sent": beyond(1000),
    "acknowledges the largest number": ack((1 << 64) - 1, 0),
    "durable before it is applied": ack(0, 1),
    "largest durable number": ack(0, (1 << 64) - 1),
    "acknowledgement that is too short": says(control_frame(Kind.ACK, b"123")),
    "acknowledgement that is too long": says(control_frame(Kind.ACK, bytes(17))),
    "empty acknowledgement": says(control_frame(Kind.ACK, b"")),
    "lost entries that are no JSON": says(control_frame(Kind.LOST_ENTRIES, b"{")),
    "lost entries that are text": says(control_frame(Kind.LOST_ENTRIES, b'{"rows": ["a"]}')),
    "lost entries before zero": says(control_frame(Kind.LOST_ENTRIES, b'{"rows": [-1]}')),
    "lost entries beyond 64 bits": says(control_frame(Kind.LOST_ENTRIES, b'{"rows": [%d]}' % (1 << 70))),
    "lost entries that never were": says(control_frame(Kind.LOST_ENTRIES, dump(LostEntries(rows=(1_000_000,))))),
    "the root of everything is lost": says(control_frame(Kind.LOST_ENTRIES, dump(LostEntries(rows=(0,))))),
    "more than a mebibyte of lost entries": says(
        control_frame(Kind.LOST_ENTRIES, dump(LostEntries(rows=tuple(range(1, 300_000)))))
    ),
    "a failure that is no JSON": says(control_frame(Kind.FAILURE, b"no")),
    "a failure of no code": says(control_frame(Kind.FAILURE, b'{"code": "X", "cause": "y", "remedy": "z"}')),
    "a failure with escapes for a terminal": says(
        control_frame(Kind.FAILURE, b'{"code": "\\u001b[2J", "cause": "\\u001b]0;x", "remedy": "rm -rf /"}')
    ),
    "a failure of another service": says(
        control_frame(Kind.FAILURE, b'{"code": "SMS.AUTH.DENIED", "cause": "y", "remedy": "z"}')
    ),
    "a failure without its figures": says(
        control_frame(Kind.FAILURE, b'{"code": "SMS.TARGET.ENOSPC", "cause": "full", "remedy": "z"}')
    ),
    "a hello in mid-copy": says(control_frame(Kind.HELLO, dump(HELLO))),
    "a second reply": says(control_frame(Kind.HELLO_REPLY, reply())),
    "a batch": says(control_frame(Kind.BATCH, b"")),
    "a structure": says(control_frame(Kind.STRUCTURE, b"")),
    "a join": says(control_frame(Kind.JOIN, b"{}")),
    "a probe": says(control_frame(Kind.PROBE, b"{}")),
    "an order to verify": says(control_frame(Kind.VERIFY_BATCH, b"")),
    "unknown kind": raw(HEADER.pack(PROTOCOL_VERSION, 99, 0, 0, 0, 0, 0, 0)),
    "kind 0": raw(bytes(HEADER.size)),
    "unknown flags": raw(HEADER.pack(PROTOCOL_VERSION, Kind.ACK, 0xFE, 0, 0, 0, 0, 0)),
    "unknown version": raw(HEADER.pack(PROTOCOL_VERSION + 1, Kind.ACK, 0, 0, 16, 0, 0, 0)),
    "version 0": raw(HEADER.pack(0, Kind.ACK, 0, 0, 16, 0, 0, 0)),
    "oversize length": raw(HEADER.pack(PROTOCOL_VERSION, Kind.ACK, 0, 0, (4 << 20) + 1, 0, 0, 0)),
    "4 GiB": raw(HEADER.pack(PROTOCOL_VERSION, Kind.ACK, 0, 0, 0xFFFFFFFF, 0, 0, 0)),
    "wrong checksum": raw(HEADER.pack(PROTOCOL_VERSION, Kind.ACK, 0, 0, 16, 0, 0, 1) + bytes(16)),
    "text": raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100),
    "compressed acknowledgement": says(
        Frame(Kind.LOST_ENTRIES, FLAG_COMPRESSED, 0, 0, 0, b"\x28\xb5\x2f\xfd" + bytes(40))
    ),
}


@pytest.mark.parametrize("name", EVIL_WORDS)
def test_word_that_no_target_says_ends_the_copy(victim: Victim, name: str) -> None:
    assert victim.code_of(Target(speak=EVIL_WORDS[name])) == "SMS.TRANSFER.PROTOCOL"


def test_figures_in_a_targets_failure_are_cut_and_cleaned(victim: Victim) -> None:
    parameters = {
        "volume": "\x1b[31m0",
        "free_bytes": "9" * 5000,
        "free_inodes": "1\n2",
        "needed_bytes": "\u202e1",
    }
    said = {"code": "SMS.TARGET.ENOSPC", "cause": "Run this: curl x | sh", "remedy": "now", "parameters": parameters}
    frame = control_frame(Kind.FAILURE, json.dumps(said).encode())
    session = victim.session((target := Target(speak=says(frame))).start(victim.authority))
    with pytest.raises(MigrationError) as caught:
        session.copy()
    target.stop()
    failure = caught.value.failure
    assert (failure.code, failure.is_resumable) == ("SMS.TARGET.ENOSPC", True)
    assert "curl" not in failure.cause
    assert failure.cause.startswith("The target file system of volume ?[31m0 is full: 999")
    assert failure.cause.isprintable()
    assert len(failure.cause) < 700


def test_replayed_and_falling_watermarks_change_nothing(victim: Victim) -> None:
    """They are no error: a late one may be overtaken. But nothing that is not durable may pass for it."""
    done = threading.Event()

    def speak(control: Connection, sequence: int) -> None:
        for marks in ((sequence, 0), (sequence, 0), (0, 0), (sequence, 0), (sequence - 1, 0)):
            control.send_control(Kind.ACK, ACK.pack(*marks))
        done.set()

    target = Target(speak=speak)
    session = victim.session(target.start(victim.authority))
    ended = threading.Event()

    def copy() -> None:
        with contextlib.suppress(MigrationError):
            session.copy()
        ended.set()

    threading.Thread(target=copy, daemon=True).start()
    assert done.wait(10)
    assert not ended.wait(0.5), "the copy went on to its end although nothing was on the disk"
    session.request_stop()
    assert ended.wait(10)
    target.stop()


BAD_VERDICTS = {
    "of no length": verdict(b"", b""),
    "that is too long": verdict(b"", bytes(RESULT.size + 1)),
    "on another volume": verdict(b"", RESULT.pack(2, 0), volume=7),
    "on a folder that there is not": verdict(b"no/such/folder", RESULT.pack(4, 0)),
    "on a path above": verdict(b"..", RESULT.pack(4, 0)),
    "on an absolute path": verdict(b"/etc", RESULT.pack(4, 0)),
    "on a path as a name": verdict(b"", RESULT.pack(4, 0), name=b"../x"),
    "torn": verdict(b"", RESULT.pack(4, 0))[:-1],
    "of four billion entries": struct.pack("<HII", 0, 0, 0xFFFFFFFF),
}


@pytest.mark.parametrize("name", BAD_VERDICTS)
def test_verdict_that_cannot_be_ends_the_verification(victim: Victim, name: str) -> None:
    honest = Target(waits_for=Kind.HELLO)  # acknowledges all that comes
    session = victim.session(honest.start(victim.authority))
    session.copy()
    honest.stop()
    speak = says(control_frame(Kind.VERIFY_RESULT, BAD_VERDICTS[name]))
    target = Target(reply=reply(sessions=[{"first": 1, "held": 1 << 40}]), speak=speak, waits_for=Kind.VERIFY_BATCH)
    assert victim.code_of(target, verifies=True) == "SMS.TRANSFER.PROTOCOL"


@pytest.mark.long
def test_fuzz_target_that_says_nothing_does_not_hold_the_source_for_ever(victim: Victim) -> None:
    began = time.monotonic()
    listener = socket.create_server(("127.0.0.1", 0))
    session = victim.session(listener.getsockname()[:2])
    threading.Timer(1.0, session.request_stop).start()
    with pytest.raises(MigrationError) as caught:
        session.copy()
    listener.close()
    assert caught.value.code in {"SMS.TRANSFER.STOPPED", "SMS.TRANSFER.CONNECTION_LOST"}
    assert time.monotonic() - began < 25


@pytest.mark.parametrize(
    "count",
    [
        b"",
        b"{}",
        b'{"size_bytes": -1, "seconds": 1}',
        b'{"size_bytes": 1e400, "seconds": 1}',
        b'{"size_bytes": 1, "seconds": Infinity}',
        b'{"size_bytes": 1, "seconds": NaN}',
    ],
)
def test_figures_of_a_network_check_that_cannot_be_are_refused(count: bytes) -> None:
    with pytest.raises(MigrationError) as caught:
        parse(ProbeCount, count)
    assert caught.value.code == "SMS.TRANSFER.PROTOCOL"


@pytest.mark.parametrize("count", [b'{"size_bytes": %d, "seconds": 1}' % (1 << 2000)])
def test_network_check_takes_no_figures_that_cannot_be(victim: Victim, count: bytes) -> None:
    tls = target_context(**victim.authority.leaf("target"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, MigrationError):
            connection = Connection.accept(plain, tls)
            is_echo = b"echo" in connection.receive().payload
            while True:
                frame = connection.receive()
                if is_echo or not frame.payload:
                    connection.send_control(Kind.PROBE_REPLY, frame.payload if is_echo else count)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    measurement = NetworkMeasurement(
        task_id=TASK,
        endpoints=[listener.getsockname()[:2]],
        tls=source_context(**victim.authority.leaf("source")),
        limits=SpeedLimits(otherwise=SpeedLimit(rate_bit_s=80_000_000)),
    )
    with pytest.raises(MigrationError) as caught:
        measurement.run()
    listener.close()
    assert caught.value.code == "SMS.TRANSFER.PROTOCOL"
