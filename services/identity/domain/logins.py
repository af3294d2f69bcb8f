"""Whether a login is genuine. Time, secrets and keys are arguments."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import nkey
from contracts.login import (
    NONCE_BYTES,
    WINDOW_S,
    LoginForm,
    LoginProof,
    decode_bytes,
    decode_proof,
    parse_user_name,
    shared_secret_signature,
    signed_text,
)
from contracts.subjects import token

# An unknown key is checked against these, so that its refusal takes as long as a wrong signature's.
_UNKNOWN_SECRET = "0" * 43
_UNKNOWN_KEY = nkey.public_text(Ed25519PrivateKey.generate().public_key(), prefix=nkey.USER)


class DeniedError(Exception):
    """A login is refused. reason goes into the trace, never to the client, which learns only that it failed."""

    def __init__(self, reason: str, *, account: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.account = account


@dataclass(frozen=True, kw_only=True)
class LoginClaim:
    """Who wants to be let in, and with what proof."""

    form: LoginForm
    identifier: str
    proof: LoginProof

    @property
    def text(self) -> bytes:
        """What must be under the signature."""
        return signed_text(self.identifier, time=self.proof.time, nonce=self.proof.nonce)

    @property
    def nonce_id(self) -> str:
        """The same for a login and its replay, different for everything else.

        The form is not under the signature: the proof of one form must not serve again as another one's.
        """
        kind = "ak" if self.form == "events" else self.form
        return f"{kind}-{self.identifier}-{self.proof.nonce}"


def read_claim(user: str, password: str) -> LoginClaim:
    """Raises DeniedError for what is not one of the forms of a login."""
    try:
        form, identifier = parse_user_name(user)
        proof = decode_proof(password)
        if len(decode_bytes(proof.nonce)) != NONCE_BYTES:
            raise ValueError("the nonce has the wrong length")
        return LoginClaim(form=form, identifier=token(identifier), proof=proof)
    except ValueError as error:
        raise DeniedError("malformed") from error


def is_timely(claim: LoginClaim, *, now: datetime) -> bool:
    """Within the window of 300 s on either side of this clock."""
    return abs(now.timestamp() - claim.proof.time) <= WINDOW_S


def has_shared_secret(claim: LoginClaim, secret: str | None) -> bool:
    """Constant time; secret is None for an unknown access key or token, which costs the same."""
    expected = shared_secret_signature(_UNKNOWN_SECRET if secret is None else secret, claim.text)
    equal = hmac.compare_digest(expected, _signature(claim))
    return equal and secret is not None


def has_private_key(claim: LoginClaim, public_key: str | None) -> bool:
    """public_key: as a user nkey, or None for an unknown agent, which costs the same."""
    key = nkey.read_public(_UNKNOWN_KEY if public_key is None else public_key, prefix=nkey.USER)
    try:
        key.verify(_signature(claim), claim.text)
    except InvalidSignature:
        return False
    return public_key is not None


def _signature(claim: LoginClaim) -> bytes:
    try:
        return decode_bytes(claim.proof.signature)
    except ValueError:
        return b""
