"""The API bench: a real bus with its real permissions, and every service but the host agent, in one thread's loop."""

from __future__ import annotations

import asyncio
import importlib
import secrets
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdksms.v3 import SmsClient

from cli.supervisor.plan import SERVICES
from contracts.base import Message
from contracts.envelope import Envelope
from contracts.errors import MigrationError
from contracts.inventory import SourceInventory
from contracts.messages.agent import AgentHeartbeat, AgentRegistered
from contracts.messages.registry import ServerDetails, ShowServer
from contracts.subjects import agent_status, req
from shared.bus_server.installation import write_api_certificate, write_bus_configuration
from shared.service import ServiceContext, serve
from shared.settings import ServiceSettings
from shared.store import Collection
from tests.servers import free_port, is_listening, wait_until
from tests.signing import SdkSignature

T = TypeVar("T")
ACCOUNT = "default"
INVENTORIES = Path(__file__).parents[1] / "unit" / "feasibility" / "inventories"
_SESSION = "bench"


class ApiBench:
    """start() and stop() once per module or session; everything else may be called from any test, async or not.

    root: access key and secret key of the installation's first user. contexts: of each service, by its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bus_port, self.api_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.api_port}"
        now = datetime.now(UTC)
        self.files = write_bus_configuration(folder, listen=f"127.0.0.1:{self.bus_port}", now=now)
        self.api_files = write_api_certificate(folder, listen=f"127.0.0.1:{self.api_port}", now=now)
        self.root = ("AKROOT0123456789", secrets.token_urlsafe(30))
        self.root_file = self._write_root_credential()
        self.contexts: dict[str, ServiceContext] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-bench", daemon=True)
        self._services: list[asyncio.Task[None]] = []
        self._agents: set[tuple[str, str]] = set()

    def start(self) -> None:
        self.start_bus()
        self._thread.start()
        self.run(self._start_services())
        client = self.client()
        wait_until(lambda: _answers(client), what="the API with root's key")
        client.close()

    def stop(self) -> None:
        self.run(self._stop_services())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self.stop_bus()

    def start_bus(self) -> None:
        program = Path(sys.executable).parent / "nats-server"
        with (self.folder / "nats.log").open("ab") as log:
            self._server = subprocess.Popen([program, "-c", self.files.configuration], stdout=log, stderr=log)
        wait_until(lambda: is_listening(self.bus_port), what="nats-server")

    def stop_bus(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def run(self, work: Coroutine[Any, Any, T], *, timeout_s: float = 60) -> T:
        """Run a coroutine in the services' loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.files.ca_file))

    def client(self, key: tuple[str, str] | None = None, *, is_signed: bool = True) -> httpx.Client:
        """A signing HTTP client. key: access key and secret key, root's by default."""
        auth = SdkSignature(*(key or self.root)) if is_signed else None
        return httpx.Client(base_url=self.url, verify=self.tls(), auth=auth, timeout=30)

    def async_client(self, key: tuple[str, str] | None = None) -> httpx.AsyncClient:
        auth = SdkSignature(*(key or self.root))
        return httpx.AsyncClient(base_url=self.url, verify=self.tls(), auth=auth, timeout=30)

    def sdk_client(self, key: tuple[str, str] | None = None) -> SmsClient:
        """The official SDK's client, unchanged, with our certificate authority."""
        config = HttpConfig.get_default_config()
        config.ssl_ca_cert = str(self.files.ca_file)
        credentials = BasicCredentials(*(key or self.root), "project")
        builder = SmsClient.new_builder().with_http_config(config).with_credentials(credentials)
        return builder.with_endpoint(self.url).build()

    def register_server(
        self,
        name: str = "web-1",
        *,
        account: str = ACCOUNT,
        inventory: str = "debian_11_bios",
        server_id: str = "",
        is_checked: bool = True,
    ) -> str:
        """A source server whose agent has registered and stays connected; returns its id.

        inventory: a file of tests/unit/feasibility/inventories. is_checked: wait for the feasibility report.
        """
        server_id = server_id or f"s-{uuid.uuid4().hex[:12]}"
        self.run(self._register(account, server_id, name, inventory, is_checked))
        return server_id

    def disconnect_servers(self) -> None:
        """Let their agents fall silent."""
        self._agents.clear()

    async def say(self, account: str, agent_id: str, kind: str, message: Message) -> None:
        """A status of an agent: kept ones into the stream, others as core messages."""
        subject = agent_status(account, agent_id, kind)
        envelope = Envelope.of(
            message,
            source=f"/agents/{agent_id}",
            account=account,
            subject=subject,
            id=f"{agent_id}-{uuid.uuid4().hex}",
        )
        bus, data = self.contexts["gateway"].bus, message.model_dump_json().encode()
        if kind in {"registered", "inventory", "result"}:
            await bus.jetstream.publish(subject, data, stream="AGENT", headers=envelope.headers())
        else:
            await bus._client().publish(subject, data, headers=envelope.headers())

    async def ask(self, service: str, verb: str, message: Message, reply: type[Any], account: str = ACCOUNT) -> Any:
        """A request of the gateway to a service, past the API."""
        return await self.contexts["gateway"].bus.request(
            req(service, verb), message, reply, account=account, actor="root"
        )

    async def _register(self, account: str, server_id: str, name: str, inventory: str, is_checked: bool) -> None:
        text = (INVENTORIES / f"{inventory}.json").read_text(encoding="utf-8")
        found = SourceInventory.model_validate_json(text).model_copy(update={"hostname": name})
        registered = AgentRegistered(role="source", session_id=_SESSION, agent_version="1.0", inventory=found)
        await self.say(account, server_id, "registered", registered)
        self._agents.add((account, server_id))
        async with asyncio.timeout(20):
            while not await self._is_known(account, server_id, is_checked):
                await asyncio.sleep(0.05)
        await self.say(account, server_id, "heartbeat", AgentHeartbeat(role="source", session_id=_SESSION))

    async def _is_known(self, account: str, server_id: str, is_checked: bool) -> bool:
        try:
            shown = await self.ask("registry", "show", ShowServer(server_id=server_id), ServerDetails, account)
        except MigrationError:  # it is not there yet
            return False
        return shown.feasibility is not None or not is_checked

    async def _start_services(self) -> None:
        self._services = [asyncio.create_task(self._run_service(name), name=name) for name in SERVICES]
        self._services.append(asyncio.create_task(self._beat(), name="heartbeats"))
        while set(self.contexts) < set(SERVICES):
            for task in self._services:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)

    async def _run_service(self, name: str) -> None:
        module = importlib.import_module(f"services.{name}.__main__")
        parts = vars(module).values()
        settings = next(part for part in parts if isinstance(part, type) and issubclass(part, ServiceSettings))
        collections = {each.name: each for part in parts for each in _collections(part)}

        async def wire(context: ServiceContext) -> None:
            await module.wire(context)

            async def tell() -> None:
                self.contexts[name] = context
                await asyncio.Event().wait()

            context.run_in_background("ready", tell)

        await serve(settings.model_validate(self._settings(name)), wire, list(collections.values()))

    def _settings(self, name: str) -> dict[str, object]:
        return {
            "bus_url": self.files.url,
            "bus_ca_file": self.files.ca_file,
            "bus_seed_file": self.files.seed_file(name),
            "store_url": f"sqlite:///{self.folder / name}.sqlite",
            "stream_max_bytes": 64 << 20,
            "stop_timeout_s": 2,
            "request_timeout_s": 5,
            "issuer_seed_file": self.files.issuer_seed_file,
            "system_seed_file": self.files.seed_file("identity_system"),
            "seal_key_file": self.files.keys_folder / f"{name}.seal",
            "signing_key_file": self.files.keys_folder / "audit.signing",
            "root_credential_file": self.root_file,
            "listen": f"127.0.0.1:{self.api_port}",
            "certificate_file": self.api_files.certificate_file,
            "key_file": self.api_files.key_file,
            # Receivers of webhooks in tests are on this machine.
            "webhook_allow": ("127.0.0.0/8",),
            "webhook_allow_http": True,
        }

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(10)
            for account, server_id in list(self._agents):
                beat = AgentHeartbeat(role="source", session_id=_SESSION)
                await self.say(account, server_id, "heartbeat", beat)

    async def _stop_services(self) -> None:
        for task in self._services:
            task.cancel()
        await asyncio.gather(*self._services, return_exceptions=True)

    def _write_root_credential(self) -> Path:
        access_key, secret_key = self.root
        path = self.files.keys_folder / "root.json"
        path.touch(mode=0o600)
        path.write_text(
            f'{{"account": "{ACCOUNT}", "access_key": "{access_key}", "secret_key": "{secret_key}"}}', encoding="utf-8"
        )
        return path


def _collections(part: object) -> list[Collection]:
    """A collection, or those of a tuple of them; nothing for any other thing of a module."""
    return [each for each in (part if isinstance(part, tuple) else (part,)) if isinstance(each, Collection)]


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def running_bench(folder: Path) -> Iterator[ApiBench]:
    """Started, and stopped at the end."""
    bench = ApiBench(folder)
    bench.start()
    try:
        yield bench
    finally:
        bench.stop()
