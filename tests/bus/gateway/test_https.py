"""The gateway over HTTPS: who gets in, and how failures look to the official SDK."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdksms.v3 import ListApiVersionRequest, ShowApiVersionRequest, SmsClient

from services.gateway.adapters.protocol import GuardedProtocol
from tests.bus.gateway.conftest import KEYS, GatewayBench


def sdk_client(gateway: GatewayBench, access_key: str = "AKOWNER", secret_key: str = "") -> SmsClient:
    config = HttpConfig.get_default_config()
    config.ssl_ca_cert = str(gateway.ca_file)
    credentials = BasicCredentials(access_key, secret_key or KEYS[access_key], "project")
    return (
        SmsClient.new_builder()
        .with_http_config(config)
        .with_credentials(credentials)
        .with_endpoint(gateway.url)
        .build()
    )


async def test_the_official_sdk_reads_the_versions(gateway: GatewayBench) -> None:
    client = sdk_client(gateway)
    answer = await asyncio.to_thread(client.list_api_version, ListApiVersionRequest())
    assert [version.id for version in answer.versions] == ["v3"]
    one = await asyncio.to_thread(client.show_api_version, ShowApiVersionRequest(version="v3"))
    assert one.status == "CURRENT"


async def test_the_sdk_raises_its_exception_with_our_code(gateway: GatewayBench) -> None:
    with pytest.raises(ClientRequestException) as raised:
        await asyncio.to_thread(sdk_client(gateway).show_api_version, ShowApiVersionRequest(version="v9"))
    assert (raised.value.status_code, raised.value.error_code) == (404, "SMS.API.UNKNOWN_VERSION")
    with pytest.raises(ClientRequestException) as raised:
        await asyncio.to_thread(sdk_client(gateway, "AKOWNER", "wrong").list_api_version, ListApiVersionRequest())
    assert (raised.value.status_code, raised.value.error_code) == (401, "SMS.API.SIGNATURE_REFUSED")
    assert raised.value.request_id


async def test_a_clock_that_is_off_is_told_the_services_time(gateway: GatewayBench) -> None:
    for minutes in (-6, 6):
        async with gateway.client(now=datetime.now(UTC) + timedelta(minutes=minutes)) as client:
            answer = await client.get("/")
        assert answer.status_code == 401
        assert answer.json()["error_code"] == "SMS.API.CLOCK_SKEW"
        assert datetime.now(UTC).strftime("%Y%m%dT%H") in answer.json()["cause"]


async def test_an_unsigned_request_and_an_unknown_key_are_refused(gateway: GatewayBench) -> None:
    async with gateway.client("AKNOBODY") as client:
        unknown = await client.get("/")
        unsigned = await client.get("/", auth=None)
    assert (unknown.status_code, unknown.json()["error_code"]) == (401, "SMS.API.SIGNATURE_REFUSED")
    assert (unsigned.status_code, unsigned.json()["error_code"]) == (401, "SMS.API.UNSIGNED")


async def test_paths_and_methods_that_do_not_exist(gateway: GatewayBench) -> None:
    async with gateway.client() as client:
        nowhere = await client.get("/v3/nowhere/at/all")
        method = await client.delete("/")
    assert (nowhere.status_code, nowhere.json()["error_code"]) == (404, "SMS.API.NOT_FOUND")
    assert (method.status_code, method.json()["error_code"]) == (405, "SMS.API.METHOD_NOT_ALLOWED")
    for answer in (nowhere, method):
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert "server" not in answer.headers


async def test_without_identity_or_bus_the_answer_is_503(gateway: GatewayBench) -> None:
    await gateway.stop_identity()
    async with gateway.client() as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.json()["error_code"]) == (503, "SMS.SERVICE.UNAVAILABLE")
        gateway.bench.server.kill()
        async with asyncio.timeout(5):
            while gateway.context.bus.is_connected:
                await asyncio.sleep(0.02)
        answer = await asyncio.wait_for(client.get("/"), 1)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "SMS.BUS.UNAVAILABLE")
    gateway.bench.server.start()


async def test_query_parameters_that_the_operation_does_not_have(gateway: GatewayBench) -> None:
    async with gateway.client() as client:
        answer = await client.get("/v3?colour=red")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "SMS.API.INVALID_REQUEST")
    assert "colour" in answer.json()["cause"]


async def test_an_answer_does_not_wait_for_acknowledgements(
    gateway: GatewayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Head and body are sent one after the other: Nagle's algorithm would hold the body back."""
    without_delay: list[int] = []
    connection_made = GuardedProtocol.connection_made

    def look(protocol: GuardedProtocol, transport: asyncio.Transport) -> None:
        accepted = transport.get_extra_info("socket")
        without_delay.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        connection_made(protocol, transport)

    monkeypatch.setattr(GuardedProtocol, "connection_made", look)
    async with gateway.client() as client:
        assert (await client.get("/")).status_code == 200
    assert without_delay == [1]
