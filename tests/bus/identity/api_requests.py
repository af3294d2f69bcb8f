"""Questions of the gateway to identity, as it asks them."""

from __future__ import annotations

import hashlib
import hmac
import uuid

from nats.aio.client import Client

from contracts.messages.api import AuthorizeRequest, RequestAuthorization
from contracts.subjects import req
from tests.bus.identity.secure_bus import ask


def signed(
    access_key: str,
    secret_key: str,
    action: str,
    *resources: str,
    source_address: str = "192.0.2.7",
) -> AuthorizeRequest:
    """A request that was signed with this secret key."""
    string_to_sign = f"SDK-HMAC-SHA256\n20260101T000000Z\n{uuid.uuid4().hex}"
    signature = hmac.new(secret_key.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()
    return AuthorizeRequest(
        access_key=access_key,
        string_to_sign=string_to_sign,
        signature=signature,
        action=action,
        resources=resources,
        source_address=source_address,
    )


async def authorize(client: Client, request: AuthorizeRequest) -> RequestAuthorization:
    return await ask(client, req("identity", "authorize"), request, RequestAuthorization, account="-")
