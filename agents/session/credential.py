"""What an agent was given for its first login."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Literal

from contracts.login import (
    NONCE_BYTES,
    LoginProof,
    encode_bytes,
    encode_proof,
    shared_secret_signature,
    signed_text,
    user_name,
)


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An access key with its secret key, or a one-time token with its secret.

    account: the owner; it stands in the only subject that this login may use.
    """

    form: Literal["ak", "token"]
    identifier: str
    secret: str = field(repr=False)
    account: str = "default"

    @property
    def user_name(self) -> str:
        """The bus user."""
        return user_name(self.form, self.identifier)

    def password(self) -> str:
        """A fresh proof; it is good for one login."""
        now, nonce = int(time.time()), encode_bytes(token_bytes(NONCE_BYTES))
        signature = shared_secret_signature(self.secret, signed_text(self.identifier, time=now, nonce=nonce))
        return encode_proof(LoginProof(time=now, nonce=nonce, signature=encode_bytes(signature)))
