"""How a key proves itself to the bus: what is signed, what travels, and which inbox belongs to whom.

The user name says who claims to log in, the password is a `LoginProof`: the secret itself never travels.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time as clock
from typing import Final, Literal, get_args

from pydantic import ValidationError

from contracts.base import Model

LoginForm = Literal["ak", "token", "agent", "events"]

WINDOW_S: Final = 300
NONCE_BYTES: Final = 16
# A proof is at most a few hundred bytes; anything larger is refused before it is decoded.
MAX_PASSWORD_CHARACTERS: Final = 1024


class LoginProof(Model):
    """The password of a login. time: Unix seconds on the client's clock; nonce: base64url of 16 random bytes;
    signature: base64url of HMAC-SHA256 (access key, token) or Ed25519 (agent) over `signed_text`."""

    time: int
    nonce: str
    signature: str


def user_name(form: LoginForm, identifier: str) -> str:
    """The bus user name of a login, for example ``agent:9f3c…``.

    ``ak:<access key>`` enrols an agent, ``events:<access key>`` hears the events of the key's account.
    """
    return f"{form}:{identifier}"


def parse_user_name(name: str) -> tuple[LoginForm, str]:
    """(form, identifier) of a user name. Raises ValueError for any other name."""
    form, _, identifier = name.partition(":")
    for known in get_args(LoginForm):
        if form == known and identifier:
            return known, identifier
    raise ValueError("not the name of an access key, a token, an agent or a subscriber")


def signed_text(identifier: str, *, time: int, nonce: str) -> bytes:
    """The bytes under the signature; identifier is the access key, the token's id or the agent's id."""
    return f"sms-login\n{identifier}\n{time}\n{nonce}".encode()


def shared_secret_signature(secret: str, text: bytes) -> bytes:
    """HMAC-SHA256 of a login by access key or one-time token."""
    return hmac.new(secret.encode(), text, hashlib.sha256).digest()


def fresh_password(identifier: str, secret: str) -> str:
    """A proof for one login now, with an access key or a one-time token and its secret."""
    now, nonce = int(clock.time()), encode_bytes(secrets.token_bytes(NONCE_BYTES))
    signature = shared_secret_signature(secret, signed_text(identifier, time=now, nonce=nonce))
    return encode_proof(LoginProof(time=now, nonce=nonce, signature=encode_bytes(signature)))


def encode_proof(proof: LoginProof) -> str:
    """The password for the bus: base64url of the JSON, without padding."""
    return encode_bytes(proof.model_dump_json().encode())


def decode_proof(password: str) -> LoginProof:
    """Read a password back. Raises ValueError for anything that is none of ours."""
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise ValueError("the proof is too long")
    try:
        return LoginProof.model_validate_json(decode_bytes(password))
    except ValidationError as error:
        # pydantic's text repeats the input, which a log must not show.
        raise ValueError("the proof is malformed") from error


def encode_bytes(data: bytes) -> str:
    """base64url without padding, as in every login and enrolment field."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_bytes(text: str) -> bytes:
    """The bytes of a base64url field without padding. Raises ValueError when it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def enrol_inbox(credential_id: str) -> str:
    """The inbox prefix of a first login; it may receive nothing else."""
    return f"_INBOX_enrol_{credential_id}"


def events_inbox(access_key: str) -> str:
    """The inbox prefix of a subscriber of events."""
    return f"_INBOX_events_{access_key}"


def agent_inbox(agent_id: str) -> str:
    """The inbox prefix of an agent; services answer an agent nowhere else."""
    return f"_INBOX_agent_{agent_id}"


def service_inbox(user: str) -> str:
    """The inbox prefix of a service's bus user."""
    return f"_INBOX_{user}"
