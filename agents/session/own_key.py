"""The agent's own key pair: made here, kept here, never sent."""

from __future__ import annotations

import os
import time
from pathlib import Path
from secrets import token_bytes
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import nkey
from contracts.login import NONCE_BYTES, LoginProof, encode_bytes, encode_proof, signed_text

_FILE_NAME: Final = "agent.nk"


class OwnKey:
    """An Ed25519 key in a file of mode 0600."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def read_or_make(cls, folder: Path) -> OwnKey:
        """The key of this state folder; it is on disk before it is used, so a kill never leaves two."""
        path = folder / _FILE_NAME
        if not path.exists():
            _write(path, nkey.seed_text(Ed25519PrivateKey.generate(), prefix=nkey.USER).encode())
        return cls(nkey.read_seed(path.read_text(encoding="ascii").strip(), prefix=nkey.USER))

    @property
    def public_text(self) -> str:
        """The public key as it is enrolled."""
        return nkey.public_text(self._key.public_key(), prefix=nkey.USER)

    def password(self, agent_id: str) -> str:
        """A fresh proof; it is good for one login."""
        now, nonce = int(time.time()), encode_bytes(token_bytes(NONCE_BYTES))
        signature = self._key.sign(signed_text(agent_id, time=now, nonce=nonce))
        return encode_proof(LoginProof(time=now, nonce=nonce, signature=encode_bytes(signature)))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Without it a power cut may bring back the state before the rename: another key, another agent.
        os.fsync(folder)
    finally:
        os.close(folder)
