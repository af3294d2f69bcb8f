"""The source's end of the data channel: numbered frames, credit, acknowledgements, and reconnecting."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.source.copy.link_load import Answer, LinkLoad
from agents.source.copy.rate_limit import TokenBucket
from agents.transfer.connection import STALL_LIMIT_S, Connection
from agents.transfer.frames import HEADER, Frame, Kind, Payload, protocol_error
from agents.transfer.messages import (
    Begin,
    Hello,
    HelloReply,
    Join,
    LostEntries,
    dump,
    parse,
    parse_ack,
    peer_failure,
)
from agents.transfer.tls import check_peer
from contracts.errors.code import MigrationError
from contracts.errors.transfer import CERTIFICATE_EXPIRED, CONNECTION_LOST, HELLO_REFUSED, PEER_REFUSED, STOPPED

CREDIT_BYTES = 32 << 20
CONNECTIONS = 4
ORDER_STREAM = 1
_LONGEST_BACKOFF_S = 1.0


class SessionLostError(Exception):
    """The target no longer holds what it had acknowledged (it lost its memory): the round must look again."""


@dataclass(kw_only=True)
class ChannelSettings:
    """How a channel behaves. connections: one of them only for control. retry_s: how long a lost link is retried."""

    endpoints: Sequence[tuple[str, int]]
    tls: ssl.SSLContext
    hello: Hello
    connections: int = CONNECTIONS
    credit_bytes: int = CREDIT_BYTES
    retry_s: float = 24 * 3600.0
    rate_limit: TokenBucket = field(default_factory=TokenBucket)


class Channel:
    """Sends numbered frames over several connections; what is not acknowledged as applied is kept (at most the
    credit) and sent again after a lost link. Methods may be called from any thread."""

    def __init__(
        self,
        settings: ChannelSettings,
        *,
        on_result: Callable[[bytes], None],
        on_lost_entries: Callable[[tuple[int, ...]], None],
    ) -> None:
        self._settings = settings
        self._on_result = on_result
        self._on_lost_entries = on_lost_entries
        self._condition = threading.Condition()
        self._send_locks = [threading.Lock() for _ in range(settings.connections)]
        self._connections: list[Connection] = []
        self._kept: dict[int, Frame] = {}
        self._kept_bytes = 0
        self._load = LinkLoad()
        self._sequence = 0
        self._barrier = 0
        self._first = 0
        self._applied = 0
        self._durable = 0
        self._error: Exception | None = None
        self._is_up = False
        self._is_closed = False
        self._is_stopping = False
        self._last_sign = time.monotonic()
        self._reader: threading.Thread | None = None
        self.bytes_sent = 0
        self.bytes_sent_again = 0
        self.reconnects = 0

    @property
    def worker_streams(self) -> range:
        """Streams for contents; ORDER_STREAM is the one of the thread that leads the round."""
        return range(ORDER_STREAM + 1, self._settings.connections)

    @property
    def is_stalled(self) -> bool:
        """Whether the link is down or the target has given no sign of life for half the stall limit."""
        return not self._is_up or time.monotonic() - self._last_sign > STALL_LIMIT_S / 2

    @property
    def bytes_kept(self) -> int:
        """What has been sent and is not yet acknowledged as applied."""
        return self._kept_bytes

    @property
    def durable(self) -> int:
        """The last durable watermark of this session; 0 until the target has named one.

        One that it names covers the sessions before too, which the number that a session begins with does not.
        """
        return self._durable if self._durable >= self._first else 0

    def open(self, decide: Callable[[HelloReply], int]) -> None:
        """Connect and begin a session. decide gets the target's reply and returns the first sequence."""
        self._connect(lambda reply: Begin(first=decide(reply), connections=self._settings.connections))
        self._go_up()
        self._reader = threading.Thread(target=self._read, name="acknowledgements", daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the session."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        self._drop_connections()
        if self._reader:
            self._reader.join()
        for connection in self._connections:
            connection.release()

    def stop(self) -> None:
        """Make every call that waits, now or later, raise SMS.TRANSFER.STOPPED."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        self._drop_connections()

    def use_tls(self, tls: ssl.SSLContext) -> None:
        """Go on with a renewed certificate: the connections are made again, which loses nothing."""
        self._settings.tls = tls
        self._drop_connections()

    def send(self, stream: int, kind: Kind, flags: int, payload: bytes, *, is_barrier: bool = False) -> int:
        """Send a frame; returns its sequence. Waits for credit and for the link.

        is_barrier: it is applied after everything before and before everything after it. Returning does not mean
        that it arrived; it stays kept until the target says so. Raises what ended the channel.
        """
        wire_bytes = HEADER.size + len(payload)
        with self._condition:
            self._condition.wait_for(lambda: self._can_send(wire_bytes) or self._must_end())
            self._check()
            self._kept_bytes += wire_bytes
        # Numbered under the lock of the stream, so that numbers on a stream grow: a frame must never stand behind
        # one that waits for it. Nothing but the rate limit is waited for in here, which lets go as soon as the
        # connection has ended, as a reconnect takes the lock of every stream. A frame that it sends in between goes
        # twice, which the target notices by its number.
        with self._send_locks[stream]:
            frame = self._number(stream, kind, flags, payload, is_barrier=is_barrier)
            try:
                self._connections[stream].send(frame, self._allow)
            except OSError:
                # The reader makes the connections again and sends what is kept, this frame included.
                self._drop_connections()
        return frame.sequence

    def load(self) -> Answer | None:
        """See LinkLoad.answer; None also while the link is down."""
        try:
            return self._load.answer(self._connections[ORDER_STREAM:])
        except OSError:
            return None

    def wait_applied(self, sequence: int) -> None:
        """Wait until everything up to a frame has been written by the target. Raises what ended the channel."""
        with self._condition:
            self._condition.wait_for(lambda: self._applied >= sequence or self._must_end())
            if self._applied < sequence:
                self._check()

    def wait_durable(self, sequence: int) -> None:
        """Wait until everything up to a frame is on the target's disk. Raises what ended the channel."""
        with self._condition:
            self._condition.wait_for(lambda: self._durable >= sequence or self._must_end())
            if self._durable < sequence:
                self._check()

    def _can_send(self, wire_bytes: int) -> bool:
        return self._is_up and (not self._kept_bytes or self._kept_bytes + wire_bytes <= self._settings.credit_bytes)

    def _number(self, stream: int, kind: Kind, flags: int, payload: bytes, *, is_barrier: bool) -> Frame:
        with self._condition:
            self._sequence += 1
            after = self._sequence - 1 if is_barrier else self._barrier
            frame = Frame(kind, flags, stream, self._sequence, after, payload)
            if is_barrier:
                self._barrier = self._sequence
            self._kept[frame.sequence] = frame
        return frame

    def _allow(self, length: int) -> int:
        """Wait for the rate limit, and count what goes. Raises what ended the channel."""
        began = time.monotonic()
        allowed = self._settings.rate_limit.take(length, self._check)
        self._load.limited(time.monotonic() - began)
        with self._condition:
            self.bytes_sent += allowed
        return allowed

    def _must_end(self) -> bool:
        return bool(self._error or self._is_stopping or self._is_closed)

    def _check(self) -> None:
        if self._is_stopping:
            raise MigrationError(STOPPED, task_id=self._settings.hello.task_id)
        if self._error:
            raise self._error

    def _drop_connections(self) -> None:
        for connection in list(self._connections):
            connection.close()

    def _read(self) -> None:
        """Take acknowledgements for as long as the channel lives; make the connections again when they end."""
        while not self._must_end():
            try:
                self._handle(self._connections[0].receive())
            except (OSError, EOFError):
                if not self._must_end():
                    self._reconnect()
            except Exception as error:  # noqa: BLE001 - edge of a thread: the waiting callers raise it
                self._end(error)

    def _handle(self, frame: Frame) -> None:
        self._last_sign = time.monotonic()
        if frame.kind is Kind.ACK:
            self._acknowledge(*parse_ack(frame.payload))
        elif frame.kind is Kind.VERIFY_RESULT:
            self._on_result(bytes(frame.payload))
        elif frame.kind is Kind.LOST_ENTRIES:
            self._on_lost_entries(parse(LostEntries, frame.payload).rows)
        elif frame.kind is Kind.FAILURE:
            raise peer_failure(frame.payload)
        else:
            raise protocol_error(f"{frame.kind.name} on the control connection")

    def _acknowledge(self, applied: int, durable: int) -> None:
        with self._condition:
            if applied > self._sequence or durable > applied:
                raise protocol_error("acknowledgement of frames that were not sent")
            for sequence in range(self._applied + 1, applied + 1):
                if frame := self._kept.pop(sequence, None):
                    self._kept_bytes -= frame.wire_bytes
            self._applied = max(self._applied, applied)
            self._durable = max(self._durable, durable)
            self._condition.notify_all()

    def _end(self, error: Exception) -> None:
        with self._condition:
            self._error = self._error or error
            self._is_up = False
            self._condition.notify_all()
        self._drop_connections()

    def _reconnect(self) -> None:
        self._drop_connections()
        with self._condition:
            self._is_up = False
        # Whoever is in the middle of a write gets an error from the closed connection and lets go.
        with contextlib.ExitStack() as stack:
            for lock in self._send_locks:
                stack.enter_context(lock)
            try:
                self._connect(self._continue)
                self.reconnects += 1
                self._send_again()
                self._go_up()
            except OSError:
                self._drop_connections()
            except Exception as error:  # noqa: BLE001 - edge of a thread: the waiting callers raise it
                self._end(error)

    def _go_up(self) -> None:
        with self._condition:
            self._is_up = True
            self._condition.notify_all()

    def _continue(self, reply: HelloReply) -> Begin:
        held = next((mark.held for mark in reply.sessions if mark.first == self._first), None)
        if held is None or held < self._applied:
            raise SessionLostError
        self._acknowledge(held, min(self._durable, held))
        return Begin(first=self._first, is_continued=True, connections=self._settings.connections)

    def _send_again(self) -> None:
        for sequence in sorted(self._kept):
            frame = self._kept[sequence]
            self._connections[frame.stream].send(frame, self._allow)
            self.bytes_sent_again += frame.wire_bytes

    def _connect(self, decide: Callable[[HelloReply], Begin]) -> HelloReply:
        """Connect, trying the endpoints in turn until the time for it is over."""
        began = time.monotonic()
        backoff_s, attempt = 0.2, 0
        while True:
            self._check()
            endpoint = self._settings.endpoints[attempt % len(self._settings.endpoints)]
            try:
                return self._connect_once(endpoint, decide)
            except (OSError, EOFError) as error:
                _raise_if_refused(error)
                seconds = time.monotonic() - began
                if seconds > self._settings.retry_s:
                    raise MigrationError(
                        CONNECTION_LOST,
                        endpoint=f"{endpoint[0]}:{endpoint[1]}",
                        seconds=round(seconds),
                        limit_s=round(self._settings.retry_s),
                        reason=error,
                    ) from error
            attempt += 1
            with self._condition:
                self._condition.wait_for(self._must_end, backoff_s)
            if self._is_closed:
                raise SessionLostError
            backoff_s = min(backoff_s * 1.5, _LONGEST_BACKOFF_S)

    def _connect_once(self, endpoint: tuple[str, int], decide: Callable[[HelloReply], Begin]) -> HelloReply:
        settings = self._settings
        made: list[Connection] = []
        try:
            control = self._dial(endpoint, made)
            control.send_control(Kind.HELLO, dump(settings.hello))
            reply = parse(HelloReply, _answer(control, Kind.HELLO_REPLY))
            _check_reply(reply.hello, settings.hello)
            begin = decide(reply)
            control.send_control(Kind.BEGIN, dump(begin))
            for stream in range(ORDER_STREAM, settings.connections):
                connection = self._dial(endpoint, made)
                connection.send_control(Kind.JOIN, dump(Join(join_token=reply.join_token, stream=stream)))
                connection.set_timeout(None)
        except BaseException:
            for connection in made:
                connection.close()
                connection.release()
            raise
        control.set_timeout(STALL_LIMIT_S)
        settings.rate_limit.use_segment(control.segment_bytes)
        with self._condition:
            for old in self._connections:
                old.release()
            self._connections = made
            if not begin.is_continued:
                self._first = begin.first
                self._sequence = self._barrier = self._applied = self._durable = begin.first - 1
            self._last_sign = time.monotonic()
        return reply

    def _dial(self, endpoint: tuple[str, int], made: list[Connection]) -> Connection:
        connection = Connection.open(endpoint, self._settings.tls)
        made.append(connection)
        check_peer(connection.peer_certificate, task_id=self._settings.hello.task_id, role="target")
        return connection


def _check_reply(hello: Hello, ours: Hello) -> None:
    for what in ("protocol_version", "task_id", "plan_digest"):
        if getattr(hello, what) != getattr(ours, what):
            raise MigrationError(HELLO_REFUSED, what=what, actual="another", expected=getattr(ours, what))
    if hello.role != "target":
        raise MigrationError(HELLO_REFUSED, what="role", actual=hello.role, expected="target")


def _raise_if_refused(error: Exception) -> None:
    """A certificate that one end refuses will be refused again: do not try for a day."""
    if not isinstance(error, ssl.SSLError):
        return
    reason = str(error).upper().replace(" ", "_")
    if "CERTIFICATE_EXPIRED" in reason or "CERTIFICATE_HAS_EXPIRED" in reason:
        raise MigrationError(CERTIFICATE_EXPIRED) from error
    # What was signed by an authority of the same name does not decrypt.
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "DECRYPT_ERROR" in reason:
        raise MigrationError(PEER_REFUSED, reason=error.reason or "it does not verify") from error
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason or "WRONG_VERSION" in reason:
        raise protocol_error("it does not speak TLS 1.3") from error


def _answer(connection: Connection, kind: Kind) -> Payload:
    frame = connection.receive()
    if frame.kind is Kind.FAILURE:
        raise peer_failure(frame.payload)
    if frame.kind is not kind:
        raise protocol_error(f"{frame.kind.name} where {kind.name} was expected")
    return frame.payload
