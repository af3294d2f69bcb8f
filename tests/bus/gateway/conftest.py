"""The gateway on a real bus, with an identity that knows two keys."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from contracts.envelope import Envelope
from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from contracts.subjects import req
from services.gateway.api.router import ApiRouter
from services.gateway.bootstrap import COLLECTIONS, wire
from services.gateway.routes import ROUTERS
from services.gateway.settings import GatewaySettings
from shared.bus_server.installation import ApiFiles, write_api_certificate
from shared.service import ServiceContext
from tests.bus.conftest import Bench
from tests.bus.gateway.things import things
from tests.servers import NatsServer, free_port
from tests.signing import SdkSignature

REPOSITORY = Path(__file__).parents[3]
KEYS = {"AKOWNER": "secret-of-owner", "AKREADER": "secret-of-reader", "AKOTHER": "secret-of-other"}
ACCOUNTS = {"AKOWNER": "default", "AKREADER": "default", "AKOTHER": "other"}


class FakeIdentity:
    """Answers `identity.authorize` as the real one: two keys may do all, AKREADER may read."""

    def __init__(self) -> None:
        self.questions: list[AuthorizeRequest] = []

    async def authorize(self, question: AuthorizeRequest, _: Envelope) -> RequestAuthorization:
        self.questions.append(question)
        secret = KEYS.get(question.access_key, "unknown")
        wanted = hmac.new(secret.encode(), question.string_to_sign.encode(), hashlib.sha256).hexdigest()
        if question.access_key not in KEYS or not hmac.compare_digest(wanted, question.signature):
            return RequestAuthorization(is_genuine=False)
        name = question.access_key.removeprefix("AK").lower()
        is_allowed = name != "reader" or question.action.rpartition(":")[2] in {"get", "list"}
        return RequestAuthorization(
            is_genuine=True, is_allowed=is_allowed, account=ACCOUNTS[question.access_key], user_id=name, user_name=name
        )


class GatewayBench:
    """identity can be stopped by `stop_identity`; clients trust the installation's authority."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        files = write_api_certificate_in(folder, self.port)
        self.settings = GatewaySettings.model_validate(
            bench.settings("gateway").model_dump()
            | {
                "listen": f"127.0.0.1:{self.port}",
                "certificate_file": files.certificate_file,
                "key_file": files.key_file,
                "request_timeout_s": 2,
                "request_head_timeout_s": 1,
                "request_body_timeout_s": 1.5,
                "max_body_bytes": 4096,
                "claim_s": 1,
            }
        )
        self.identity = FakeIdentity()
        self.context: ServiceContext
        self._identity = AsyncExitStack()

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def client(self, access_key: str = "AKOWNER", *, now: datetime | None = None) -> httpx.AsyncClient:
        auth = SdkSignature(access_key, KEYS.get(access_key, "unknown"), now=now)
        return httpx.AsyncClient(base_url=self.url, verify=self.tls(), auth=auth, timeout=20)

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    async def start_identity(self) -> None:
        async def wire_identity(context: ServiceContext) -> None:
            context.bus.on_request(req("identity", "authorize"), AuthorizeRequest, self.identity.authorize)

        await self._identity.enter_async_context(self.bench.running("identity", wire_identity))

    async def stop_identity(self) -> None:
        await self._identity.aclose()


def write_api_certificate_in(folder: Path, port: int) -> ApiFiles:
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    return write_api_certificate(folder, listen=f"127.0.0.1:{port}", now=datetime.now(UTC))


async def start_gateway(stack: AsyncExitStack, gateway: GatewayBench, *routers: ApiRouter) -> None:
    """Until it listens; routers: of the test, besides the gateway's own."""

    async def wire_all(context: ServiceContext) -> None:
        await wire(context, (*ROUTERS, *routers))

    gateway.context = await stack.enter_async_context(gateway.bench.running(gateway.settings, wire_all, COLLECTIONS))
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return


@pytest.fixture
async def gateway(bench: Bench, tmp_path: Path) -> AsyncIterator[GatewayBench]:
    gateway = GatewayBench(bench, tmp_path)
    await gateway.start_identity()
    async with AsyncExitStack() as stack:
        await start_gateway(stack, gateway, things)
        yield gateway
    await gateway.stop_identity()


@pytest.fixture(scope="module")
def shared_gateway_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("gateway")
    server = NatsServer(folder)
    server.start()
    yield Bench(server, folder)
    server.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(shared_gateway_bench: Bench) -> AsyncIterator[GatewayBench]:
    """One gateway for a module whose tests harm nothing but their own connections."""
    gateway = GatewayBench(shared_gateway_bench, shared_gateway_bench.folder)
    await gateway.start_identity()
    async with AsyncExitStack() as stack:
        await start_gateway(stack, gateway, things)
        yield gateway
    await gateway.stop_identity()
