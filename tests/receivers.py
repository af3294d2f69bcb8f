"""Real receivers of notifications on loopback: an HTTPS server with a certificate of its own authority, and an SMTP
server. Both can be stopped and started again on the same port."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from contracts.messages.notification import Notification
from shared.bus_server.certificates import KeyAndCertificate, make_authority, make_server_certificate
from tests.servers import free_port

NAMES = ("localhost", "127.0.0.1", "hooks.test")


@dataclass(frozen=True)
class Received:
    """One POST. peer_host: the name under which TLS was asked for."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def notification(self) -> Notification:
        return Notification.model_validate_json(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver checks it, by the README of the service."""
        signed = f"{self.headers['x-sms-timestamp']}.".encode() + self.body
        wanted = "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        is_fresh = abs(time.time() - int(self.headers["x-sms-timestamp"])) < 300
        return is_fresh and hmac.compare_digest(wanted, self.headers["x-sms-signature"])


class Authority:
    """Files of an authority and of a server's certificate under NAMES."""

    def __init__(self, folder: Path) -> None:
        self._authority: KeyAndCertificate = make_authority(now=datetime.now(UTC))
        self.ca_file = folder / "receivers-ca.pem"
        self.ca_file.write_bytes(self._authority.certificate_pem)
        served = make_server_certificate(self._authority, NAMES, now=datetime.now(UTC))
        self.certificate_file = folder / "receiver.pem"
        self.certificate_file.write_bytes(served.certificate_pem + served.key_pem)

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file)
        return context


class WebhookReceiver:
    """answers: status of the next answers, 204 when there is none left. delay_s: before each answer. location: for
    redirects. endless: an answer without an end."""

    def __init__(self, authority: Authority | None) -> None:
        self.port = free_port()
        self.received: list[Received] = []
        self.asked_names: list[str | None] = []
        self.answers: list[int] = []
        self.delay_s = 0.0
        self.location = ""
        self.endless = False
        self._authority = authority
        self._server: ThreadingHTTPServer | None = None

    def url(self, host: str = "localhost", path: str = "/hook") -> str:
        scheme = "https" if self._authority else "http"
        return f"{scheme}://{host}:{self.port}{path}"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(path=self.path, headers=headers, body=body))
                receiver.answer(self)

            def do_GET(self) -> None:
                receiver.received.append(Received(path=self.path, headers={}, body=b""))
                self.send_error(405)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._authority is not None:
            context = self._authority.server_context()
            context.sni_callback = lambda _, name, __: self.asked_names.append(name)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(self.delay_s)
        handler.send_response(self.answers.pop(0) if self.answers else 204)
        if self.location:
            handler.send_header("Location", self.location)
        if not self.endless:
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class MailReceiver:
    """A real SMTP server. refused: recipients that it does not take. It wants STARTTLS, or speaks TLS from the first
    byte, and wants this login."""

    USER, PASSWORD = "sms", "correct horse"

    def __init__(self, authority: Authority, *, speaks_tls_at_once: bool = False) -> None:
        self._speaks_tls_at_once = speaks_tls_at_once
        self.port = free_port()
        self.received: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refused: set[str] = set()
        self._authority = authority
        self._controller: Controller | None = None

    def start(self) -> None:
        context, at_once = self._authority.server_context(), self._speaks_tls_at_once
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context if at_once else None,
            tls_context=None if at_once else context,
            require_starttls=not at_once,
            # The library counts STARTTLS alone as TLS.
            auth_require_tls=not at_once,
            authenticator=self._authenticate,
            auth_required=True,
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.received.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        wanted = LoginPassword(self.USER.encode(), self.PASSWORD.encode())
        return AuthResult(success=data == wanted, handled=False)
