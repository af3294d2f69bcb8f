"""Webhooks: one POST over HTTPS to an address that was checked, signed, without redirects."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from contracts.errors import MigrationError
from contracts.errors.notification import (
    ADDRESS_REFUSED,
    NOT_ACCEPTED,
    TIMED_OUT,
    UNREACHABLE,
)
from contracts.messages.notification import Notification
from services.notification.domain.address import AddressError, AddressPolicy, WebhookTarget
from services.notification.domain.channel import Channel
from services.notification.domain.ports import Resolver, Seal

DELIVERY_HEADER: Final = "X-Sms-Delivery-Id"
TIMESTAMP_HEADER: Final = "X-Sms-Timestamp"
SIGNATURE_HEADER: Final = "X-Sms-Signature"
# What is read of an answer, so that the receiver can finish it. Nothing of it is kept or shown.
_MAX_ANSWER_BYTES: Final = 16 * 1024


class SystemResolver:
    """The Resolver of the machine."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """See Resolver."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1, proto=6)
        return tuple(str(address[4][0]) for address in found)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The header X-Sms-Signature: ``v1=`` and HMAC-SHA256, hex, over timestamp, a dot and the body."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Public authorities, and those of a file besides."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


class WebhookSender:
    """The Sender of webhooks.

    The name is resolved once; all its addresses must be allowed, and the connection goes to one of these, under the
    name in Host, SNI and certificate. So a name that points elsewhere a moment later gains nothing. No proxy, no
    cookie, no redirect, no connection that is used twice.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        resolver: Resolver,
        seal: Seal,
        clock: Callable[[], datetime],
        *,
        timeout_s: float,
        tls: ssl.SSLContext,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._seal = seal
        self._clock = clock
        self._timeout_s = timeout_s
        self._tls = tls

    async def send(self, account: str, channel: Channel, notification: Notification) -> str:
        """See Sender."""
        secret = self._seal.open(channel.sealed_secret, account=account, channel_id=channel.id)
        try:
            target = self._policy.parse(channel.url)
        except AddressError as error:
            raise MigrationError(ADDRESS_REFUSED, host="this address", reason=str(error)) from error
        body = notification.model_dump_json().encode()
        timestamp = str(int(self._clock().timestamp()))
        headers = {
            "Host": target.host_header,
            "Content-Type": "application/json",
            "User-Agent": "sms-notification/1",
            DELIVERY_HEADER: notification.delivery_id,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: sign(secret, timestamp, body),
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                address = await self._checked_address(target)
                status = await self._post(target, address, headers, body)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise MigrationError(TIMED_OUT, host=target.host, timeout_s=self._timeout_s) from error
        except (OSError, httpx.HTTPError) as error:
            raise MigrationError(UNREACHABLE, host=target.host, reason=_reason(error)) from error
        if not 200 <= status < 300:
            raise MigrationError(NOT_ACCEPTED, host=target.host, status=status)
        return ""

    async def _checked_address(self, target: WebhookTarget) -> str:
        found = await self._resolver.addresses(target.host, target.port)
        try:
            # One address that is not allowed condemns the name: which one is used must not be a matter of luck.
            allowed = [self._policy.check(address) for address in found]
        except AddressError as error:
            raise MigrationError(ADDRESS_REFUSED, host=target.host, reason=str(error)) from error
        if not allowed:
            raise MigrationError(UNREACHABLE, host=target.host, reason="its name has no address")
        return allowed[0]

    async def _post(self, target: WebhookTarget, address: str, headers: dict[str, str], body: bytes) -> int:
        url = httpx.URL(
            scheme="https" if target.is_tls else "http",
            host=address,
            port=target.port,
            raw_path=target.target.encode("ascii"),
        )
        transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, retries=0)
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=self._timeout_s) as client:
            request = client.build_request(
                "POST", url, headers=headers, content=body, extensions={"sni_hostname": target.host}
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                received = 0
                async for piece in response.aiter_raw():
                    received += len(piece)
                    if received > _MAX_ANSWER_BYTES:
                        break
            finally:
                await response.aclose()
            return response.status_code


def _reason(error: Exception) -> str:
    """What went wrong, without what was sent: the texts of some exceptions hold the whole address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'closed'})"
        if isinstance(cause, socket.gaierror):
            return str(cause.strerror).lower()
        if isinstance(cause, OSError) and cause.errno:
            # Not its own text, which names the address behind the name.
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return "it does not speak HTTP as it should" if isinstance(error, httpx.RemoteProtocolError) else "no connection"
