"""The HTTPS server inside the service's process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from services.gateway.adapters.protocol import GuardedProtocol, WireLimits
from shared.telemetry import log

_BACKLOG: Final = 256
_GRACE_S: Final = 2


class _Server(uvicorn.Server):
    """The process's signals belong to the service, which cancels `HttpsServer.run`."""

    def __init__(self, config: uvicorn.Config, limits: WireLimits) -> None:
        super().__init__(config)
        self.limits = limits

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them as they are."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with our protocol and a limit on the time of the TLS handshake."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                self._protocol,
                sock=each,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self.limits.head_timeout_s,
                ssl_shutdown_timeout=self.limits.head_timeout_s,
            )
            for each in sockets or []
        ]
        self.started = True

    def _protocol(self) -> GuardedProtocol:
        return GuardedProtocol(
            self.limits, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


class HttpsServer:
    """Listens from its construction on. TLS 1.2 or newer; no version of the server in its answers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        listen: str,
        certificate_file: Path,
        key_file: Path,
        max_connections: int,
        keep_alive_s: int,
        limits: WireLimits,
    ) -> None:
        """Raises OSError when the address cannot be used or the certificate cannot be read."""

        def context(config: uvicorn.Config, _: object) -> ssl.SSLContext:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            made.set_alpn_protocols(["http/1.1"])
            made.load_cert_chain(certificate_file, key_file)
            return made

        config = uvicorn.Config(
            app,
            loop="none",
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=max_connections,
            timeout_keep_alive=keep_alive_s,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_context_factory=context,
            backlog=_BACKLOG,
        )
        config.load()
        self._server = _Server(config, limits)
        self._socket = _listen(listen)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    async def run(self) -> None:
        """Serve until cancelled; requests under way get two seconds to end."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="uvicorn")
        log("https listens", port=self.port)
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._server.should_exit = True
            await asyncio.wait({serving})
            raise

    async def close(self) -> None:
        """Release the address, also when `run` never ran."""
        self._socket.close()


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay only where a socket names its protocol. An answer goes out as head and body: without
    # that the body waited until the client's kernel acknowledged the head, 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.settimeout(0)
    try:
        listening.bind((host, int(port)))
    except OSError:
        listening.close()
        raise
    return listening
