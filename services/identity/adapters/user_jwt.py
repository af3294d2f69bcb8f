"""The signed tokens of the bus's authentication callout (JWT with the algorithm ``ed25519-nkey``)."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from contracts import nkey
from contracts.base import Model
from contracts.login import decode_bytes, encode_bytes
from services.identity.domain.grants import Grant

SERVER_PREFIX: Final = 13 << 3
_BUS_ACCOUNT: Final = "SMS"
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
_NANOSECONDS: Final = 10**9
_MAX_SUBSCRIPTIONS: Final = 16
_MAX_PAYLOAD_BYTES: Final = 1 << 20


class _ServerId(Model):
    id: str


class _ConnectOptions(Model):
    user: str = ""
    password: str = Field(default="", alias="pass", repr=False)


class _ClientInformation(Model):
    host: str = ""


class _RequestData(Model):
    server_id: _ServerId
    user_nkey: str
    client_info: _ClientInformation = _ClientInformation()
    connect_opts: _ConnectOptions = _ConnectOptions()


class LoginRequest(Model):
    """The bus's question about one connection. iss: the server that asks."""

    iss: str
    aud: str
    nats: _RequestData


def read_login_request(text: str) -> LoginRequest:
    """Raises ValueError unless a bus server has signed it."""
    try:
        signed, _, signature = text.rpartition(".")
        request = LoginRequest.model_validate_json(decode_bytes(signed.partition(".")[2]))
        nkey.read_public(request.iss, prefix=SERVER_PREFIX).verify(decode_bytes(signature), signed.encode())
    except (ValidationError, ValueError, InvalidSignature) as error:
        # The text holds a proof: no part of it may reach a log.
        raise ValueError(f"no login request of a bus server ({type(error).__name__})") from None
    if request.iss != request.nats.server_id.id or request.aud != "nats-authorization-request":
        raise ValueError("no login request of a bus server (issuer or audience)")
    return request


class AnswerSigner:
    """Signs answers with the account key that the bus's configuration names as the issuer."""

    def __init__(self, issuer_seed: str) -> None:
        self._key: Ed25519PrivateKey = nkey.read_seed(issuer_seed, prefix=nkey.ACCOUNT)
        self._issuer = nkey.public_text(self._key.public_key(), prefix=nkey.ACCOUNT)

    def let_in(self, request: LoginRequest, grant: Grant, *, now: datetime) -> str:
        """The answer that opens the connection with the permissions of the grant."""
        return self._answer(request, {"jwt": self._user(request, grant, now=now)}, now=now)

    def refuse(self, request: LoginRequest, *, now: datetime) -> str:
        """The answer that closes the connection; the client learns no reason."""
        return self._answer(request, {"error": "denied"}, now=now)

    def _answer(self, request: LoginRequest, content: dict[str, Any], *, now: datetime) -> str:
        claims = {
            "sub": request.nats.user_nkey,
            "aud": request.nats.server_id.id,
            "nats": {**content, "type": "authorization_response", "version": 2},
        }
        return self._signed(claims, now=now)

    def _user(self, request: LoginRequest, grant: Grant, *, now: datetime) -> str:
        permissions: dict[str, Any] = {
            # To the bus an empty list of what is allowed means everything.
            "pub": {"allow": list(grant.publish)} if grant.publish else {"deny": [">"]},
            "sub": {"allow": list(grant.subscribe)},
            "subs": _MAX_SUBSCRIPTIONS,
            "data": -1,
            "payload": _MAX_PAYLOAD_BYTES,
            "type": "user",
            "version": 2,
        }
        if grant.answer_within_s:
            permissions["resp"] = {"max": 1, "ttl": grant.answer_within_s * _NANOSECONDS}
        claims: dict[str, Any] = {
            "sub": request.nats.user_nkey,
            "aud": _BUS_ACCOUNT,
            "name": grant.name,
            "nats": permissions,
        }
        if grant.connection_s is not None:
            claims["exp"] = int(now.timestamp()) + grant.connection_s
        return self._signed(claims, now=now)

    def _signed(self, claims: dict[str, Any], *, now: datetime) -> str:
        full = {**claims, "jti": secrets.token_hex(16), "iat": int(now.timestamp()), "iss": self._issuer}
        signed = f"{_part(_HEADER)}.{_part(full)}"
        return f"{signed}.{encode_bytes(self._key.sign(signed.encode()))}"


def _part(value: dict[str, Any]) -> str:
    return encode_bytes(json.dumps(value, separators=(",", ":")).encode())
