"""HTTP/1.1 off the wire, with limits on its head and on time, and nothing that two readers could read in two ways."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from contracts.errors import Failure
from contracts.errors.api import API_INVALID_REQUEST
from services.gateway.domain.failures import refusal
from shared.telemetry import log

_SINGLE: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization"})


@dataclass(frozen=True, kw_only=True)
class WireLimits:
    """head_bytes: request line and headers together. body_timeout_s: from the head's end to the body's."""

    head_bytes: int = 32 * 1024
    headers: int = 64
    head_timeout_s: float
    body_timeout_s: float


class GuardedProtocol(HttpToolsProtocol):
    """One connection. A head that is too slow, too large or ambiguous ends it."""

    def __init__(self, limits: WireLimits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection that says nothing is closed as one that says it slowly."""
        super().connection_made(transport)
        self._expect_within(self._limits.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives it."""
        self._expect_within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count while the head lasts, then parse. What the parser refuses ends the connection."""
        if self._is_in_head and self._head_bytes > self._limits.head_bytes:
            self._refuse("the head of the request", f"it has more than {self._limits.head_bytes} bytes")
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse("the header Upgrade", "this service speaks HTTP/1.1 alone")
        except httptools.HttpParserCallbackError as error:
            self._refuse("the head of the request", str(error.__context__ or error))
        except httptools.HttpParserError:
            self._refuse("the request", "it is no proper HTTP/1.1")
        # Counted afterwards: a chunk may hold the end of the head and a body, which has a limit of its own.
        self._head_bytes += len(data) if self._is_in_head else 0

    def on_message_begin(self) -> None:
        """The clock of a further request on a connection that was kept alive starts here."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._expect_within(self._limits.head_timeout_s)

    def on_url(self, url: bytes) -> None:
        """Raises ValueError when it grows too long."""
        super().on_url(url)
        if len(self.url) > self._limits.head_bytes:
            raise ValueError("the address is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Raises ValueError for what stands there too often."""
        super().on_header(name, value)
        if len(self.headers) > self._limits.headers:
            raise ValueError(f"it has more than {self._limits.headers} headers")
        if len(name) + len(value) > self._limits.head_bytes:
            raise ValueError("a header is too long")

    def on_headers_complete(self) -> None:
        """Raises ValueError for a head that a proxy could read otherwise."""
        self._is_in_head = False
        self._expect_within(self._limits.body_timeout_s)
        if self.parser.get_http_version() != "1.1":
            raise ValueError("it is not HTTP/1.1")
        names = [name for name, _ in self.headers]
        if twice := sorted({name for name in names if name in _SINGLE and names.count(name) > 1}):
            raise ValueError(f"the header {twice[0].decode()} is there more than once")
        if b"content-length" in names and b"transfer-encoding" in names:
            raise ValueError("it gives the body's length in two ways")
        if b"host" not in names:
            raise ValueError("it names no host")
        if not self.url.startswith(b"/"):
            raise ValueError("its address is no path")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The answer may take its time."""
        self._expect_within(None)
        super().on_message_complete()

    def _expect_within(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            log("connection too slow", address=self.client[0] if self.client else "")
            self.transport.abort()

    def _refuse(self, field: str, reason: str) -> None:
        failure: Failure = API_INVALID_REQUEST.failure(field=field, reason=reason)
        reply = refusal(failure, "")
        head = (
            f"HTTP/1.1 {reply.status} Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(reply.body)}\r\nconnection: close\r\n\r\n"
        )
        self._expect_within(None)
        under_way = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if under_way is None or not under_way.response_started:
            self.transport.write(head.encode() + reply.body)
        if under_way is not None:
            under_way.disconnected = True
            under_way.message_event.set()
        self.transport.close()
