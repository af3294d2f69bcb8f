"""One TLS connection: exact reads, whole writes, and a dead peer noticed within 20 seconds."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

from agents.transfer.frames import Frame, Kind, Payload, control_frame, protocol_error, read_frame

STALL_LIMIT_S = 20
HELLO_TIMEOUT_S = 10
# Two packets that ask for a connection, the second one after a second: the third would be four seconds late on a link
# that has just come back.
_CONNECT_TIMEOUT_S = 3
_RECEIVE_BUFFER_BYTES = 256 << 10
_ALERT_S = 2.0
_ALERT_BYTES = 64 << 10
# struct tcp_info: microseconds in which there was something on its way, and of these, in which the peer's window was
# full. Linux 4.9.
_BUSY_TIMES = struct.Struct("<168xQQ")
# The same: segments that went out again, and all of them. Linux 4.2.
_SEGMENTS = struct.Struct("<100xI32xI")


class Connection:
    """A connected, authenticated TLS socket.

    One thread reads and one writes, and after the hello each connection is used in one direction only: an
    OpenSSL object must not be read and written at the same time. close may be called from any thread.
    """

    def __init__(self, tls_socket: ssl.SSLSocket) -> None:
        self._socket = tls_socket
        self._write_lock = threading.Lock()
        self._writing_s = 0.0
        _tune(tls_socket)

    @classmethod
    def open(cls, endpoint: tuple[str, int], tls: ssl.SSLContext) -> Connection:
        """Connect to a target. Raises OSError (ssl.SSLError is one)."""
        plain = socket.create_connection(endpoint, timeout=_CONNECT_TIMEOUT_S)
        plain.settimeout(HELLO_TIMEOUT_S)
        try:
            return cls(tls.wrap_socket(plain))
        except BaseException:
            plain.close()
            raise

    @classmethod
    def accept(cls, plain: socket.socket, tls: ssl.SSLContext) -> Connection:
        """Take over an accepted socket, TLS handshake included (bounded in time). Raises OSError."""
        plain.settimeout(HELLO_TIMEOUT_S)
        secured = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        try:
            secured.do_handshake()
        except BaseException:
            _let_alert_leave(secured)
            secured.close()
            raise
        return cls(secured)

    @property
    def peer_certificate(self) -> bytes:
        """The peer's certificate, DER; b"" when it has none."""
        return self._socket.getpeercert(binary_form=True) or b""

    def segments(self) -> tuple[int, int]:
        """How many TCP segments went out, and how many of them again; (0, 0) where the kernel does not say."""
        facts = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SEGMENTS.size)
        if len(facts) < _SEGMENTS.size:
            return 0, 0
        again, segments = _SEGMENTS.unpack(facts)
        return segments, again

    @property
    def segment_bytes(self) -> int:
        """What one packet carries at present; 0 when the kernel does not say."""
        with contextlib.suppress(OSError):
            return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        return 0

    def set_timeout(self, timeout_s: float | None) -> None:
        """Limit of each read and write; None waits for ever (TCP itself still notices a dead peer)."""
        self._socket.settimeout(timeout_s)

    def send(self, frame: Frame, allow: Callable[[int], int] = lambda length: length) -> None:
        """Write a whole frame. Raises OSError.

        allow is asked before each write of so many bytes: it returns, perhaps after a while, how many of them may go;
        what it raises ends the frame in the middle.
        """
        header = frame.header()
        with self._write_lock:
            began = time.monotonic()
            # Two writes: joining them copies every byte once more.
            for part in (header, frame.payload):
                left = memoryview(part)
                while left:
                    allowed = allow(len(left))
                    self._socket.sendall(left[:allowed])
                    left = left[allowed:]
            self._writing_s += time.monotonic() - began

    def send_control(self, kind: Kind, payload: bytes) -> None:
        """Write a frame without a number."""
        self.send(control_frame(kind, payload))

    def receive(self) -> Frame:
        """Read a frame. Raises OSError, EOFError at the end, MigrationError for a broken frame."""
        return read_frame(self._read_exactly)

    def expect(self, kind: Kind) -> Payload:
        """The payload of the next frame, which must be of this kind."""
        frame = self.receive()
        if frame.kind is not kind:
            raise protocol_error(f"{frame.kind.name} where {kind.name} was expected")
        return frame.payload

    def network_bound_s(self) -> float:
        """Seconds until now in which the network, not an end, held back what was to be sent.

        Kernels before 4.9 do not tell; then it is the time of all writing. Raises OSError.
        """
        said = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BUSY_TIMES.size)
        if len(said) < _BUSY_TIMES.size:
            return self._writing_s
        busy_us, peer_us = _BUSY_TIMES.unpack(said)
        return float(busy_us - peer_us) / 1e6

    def close(self) -> None:
        """End the connection; a thread that reads or writes gets an error at once."""
        # Not SSLSocket.shutdown: that drops the TLS object under a thread which may be using it.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Free the descriptor, once no thread uses the connection any more."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _read_exactly(self, length: int) -> Payload:
        result = bytearray(length)
        view = memoryview(result)
        done = 0
        while done < length:
            received = self._socket.recv_into(view[done:], min(length - done, _RECEIVE_BUFFER_BYTES))
            if not received:
                raise EOFError("the other end closed the connection")
            done += received
        return result


def _let_alert_leave(secured: ssl.SSLSocket) -> None:
    """Read what the peer is still sending before the socket is closed: a reset would overtake the alert."""
    plain, until, left = socket.socket, time.monotonic() + _ALERT_S, _ALERT_BYTES
    with contextlib.suppress(OSError):
        plain.shutdown(secured, socket.SHUT_WR)
        while left > 0 and (remaining := until - time.monotonic()) > 0:
            secured.settimeout(remaining)
            received = plain.recv(secured, left)
            left = left - len(received) if received else 0


def _tune(plain: socket.socket) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_LIMIT_S * 1000)
