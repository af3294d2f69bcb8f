"""A bus with the generated configuration and a real identity process, and clients of every kind."""

from __future__ import annotations

import os
import secrets
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from agents.session.own_key import OwnKey
from contracts.base import Message, Model
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.login import agent_inbox, enrol_inbox, service_inbox, user_name
from contracts.messages.agent import EnrolAgent, EnrolReply
from contracts.messages.identity import CreateCredential, CredentialSecret
from contracts.messages.reply import HealthReply, HealthRequest, Refused
from contracts.subjects import enrol, req
from shared.bus_server.installation import write_bus_configuration
from tests.servers import free_port, is_listening, wait_until

REPOSITORY = Path(__file__).parents[3]
R = TypeVar("R", bound=Message)


class RootCredentialFile(Model):
    """What `sms up` writes before the first start."""

    account: str = "default"
    access_key: str
    secret_key: str


class SecureBus:
    """Server and identity run as processes of their own; both can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.files = write_bus_configuration(folder, listen=f"127.0.0.1:{self.port}", now=datetime.now(UTC))
        self.server: subprocess.Popen[bytes] | None = None
        self.identity: subprocess.Popen[bytes] | None = None
        self.root_credential = RootCredentialFile(access_key="AKROOT0123456789", secret_key=secrets.token_urlsafe(32))
        root_file = folder / "keys" / "root.json"
        root_file.write_text(self.root_credential.model_dump_json())
        root_file.chmod(0o600)

    def start_server(self) -> None:
        program = Path(sys.executable).parent / "nats-server"
        with (self.folder / "nats.log").open("ab") as log:
            self.server = subprocess.Popen([program, "-c", self.files.configuration], stdout=log, stderr=log)
        wait_until(lambda: is_listening(self.port), what="nats-server")

    def kill_server(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None

    def start_identity(self) -> None:
        self.identity = self.another_identity()

    def another_identity(self) -> subprocess.Popen[bytes]:
        """A further replica on the same store."""
        environment = {
            "PATH": os.defpath,
            "SMS_IDENTITY_BUS_URL": self.files.url,
            "SMS_IDENTITY_BUS_CA_FILE": str(self.files.ca_file),
            "SMS_IDENTITY_BUS_SEED_FILE": str(self.files.seed_file("identity")),
            "SMS_IDENTITY_ISSUER_SEED_FILE": str(self.files.issuer_seed_file),
            "SMS_IDENTITY_SYSTEM_SEED_FILE": str(self.files.seed_file("identity_system")),
            "SMS_IDENTITY_SEAL_KEY_FILE": str(self.folder / "keys" / "identity.seal"),
            "SMS_IDENTITY_STORE_URL": f"sqlite:///{self.folder / 'identity.sqlite'}",
            "SMS_IDENTITY_ROOT_CREDENTIAL_FILE": str(self.folder / "keys" / "root.json"),
            "SMS_IDENTITY_KEY_USE_INTERVAL_S": "0.5",
            "SMS_IDENTITY_STREAM_MAX_BYTES": str(64 << 20),
        }
        with (self.folder / "identity.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "services.identity"], stderr=log, cwd=REPOSITORY, env=environment
            )

    async def wait_identity(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 30
        client = await self.service("gateway")
        try:
            while True:
                try:
                    await ask(client, req("identity", "health"), HealthRequest(), HealthReply, timeout_s=1)
                    return
                except (NatsError, TimeoutError):
                    assert time.monotonic() < deadline, self.log_of_identity()
        finally:
            await client.close()

    def kill_identity(self) -> None:
        if self.identity is not None:
            self.identity.kill()
            self.identity.wait()
            self.identity = None

    def log_of_identity(self) -> str:
        return (self.folder / "identity.log").read_text()

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.files.ca_file)

    async def service(self, user: str) -> Client:
        """A connection as a service user."""
        return await nats.connect(
            self.files.url,
            tls=self.tls(),
            tls_handshake_first=True,
            nkeys_seed=str(self.files.seed_file(user)),
            inbox_prefix=service_inbox(user),
            allow_reconnect=False,
            error_cb=_ignore,
        )

    async def login(self, user: str, password: str | Callable[[], str], inbox_prefix: str) -> Guest:
        """A connection that identity is asked about. Raises the client's error when it is refused."""
        guest = Guest()
        await guest.client.connect(
            self.files.url,
            tls=self.tls(),
            tls_handshake_first=True,
            user=user,
            password=password,
            inbox_prefix=inbox_prefix,
            allow_reconnect=False,
            connect_timeout=10,
            error_cb=guest.on_error,
            closed_cb=guest.on_closed,
        )
        return guest

    async def agent(self, agent_id: str, key: OwnKey) -> Guest:
        return await self.login(user_name("agent", agent_id), key.password(agent_id), agent_inbox(agent_id))

    async def new_credential(self, account: str) -> CredentialSecret:
        client = await self.service("gateway")
        try:
            return await ask(
                client, req("identity", "create-credential"), CreateCredential(), CredentialSecret, account=account
            )
        finally:
            await client.close()


class Guest:
    """A client with what the bus told it."""

    def __init__(self) -> None:
        self.client = Client()
        self.errors: list[str] = []
        self.closed_at: float | None = None

    async def on_error(self, error: Exception) -> None:
        self.errors.append(str(error))

    async def on_closed(self) -> None:
        self.closed_at = time.monotonic()

    async def enrol(self, account: str, credential_id: str, public_key: str, role: str = "source") -> EnrolReply:
        request = EnrolAgent.model_validate({"public_key": public_key, "role": role})
        return await ask(self.client, enrol(account, credential_id), request, EnrolReply, account=account)


async def _ignore(_: Exception) -> None:
    return None


async def ask(
    client: Client,
    subject: str,
    message: Message,
    reply_model: type[R],
    *,
    account: str = "default",
    timeout_s: float = 10,
) -> R:
    """One request; MigrationError when it is refused."""
    envelope = Envelope.of(message, source="/tests", account=account)
    raw = await client.request(
        subject, message.model_dump_json().encode(), timeout=timeout_s, headers=envelope.headers()
    )
    if Envelope.from_headers(dict(raw.headers or {})).type == Refused.TYPE:
        raise MigrationError(Refused.model_validate_json(raw.data).failure)
    return reply_model.model_validate_json(raw.data)


def new_account() -> str:
    """An account that no other test uses."""
    return f"a{uuid.uuid4().hex[:12]}"


def inbox_of(credential_id: str) -> str:
    return enrol_inbox(credential_id)
