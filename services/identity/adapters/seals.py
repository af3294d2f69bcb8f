"""Secrets at rest: AES-256-GCM under a key file that only identity reads."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.errors import MigrationError
from contracts.errors.identity import SECRET_UNREADABLE
from contracts.login import decode_bytes, encode_bytes
from services.identity.domain.records import SealedSecret

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class FileSeal:
    """Seals with the key of one file, which is made at the first start."""

    def __init__(self, key_file: Path) -> None:
        key = _read_or_make(key_file)
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"sms-seal-key-id" + key).hexdigest()[:16]

    def seal(self, secret: str, *, account: str, identifier: str, version: int) -> SealedSecret:
        """Bind the secret to its account, identifier and version: moved to another record it cannot be opened."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = self._cipher.encrypt(nonce, secret.encode(), _bound_to(account, identifier, version, self._key_id))
        return SealedSecret(key_id=self._key_id, nonce=encode_bytes(nonce), ciphertext=encode_bytes(ciphertext))

    def open(self, sealed: SealedSecret, *, account: str, identifier: str, version: int) -> str:
        """Raises MigrationError SMS.IDENTITY.SECRET_UNREADABLE."""
        try:
            bound_to = _bound_to(account, identifier, version, sealed.key_id)
            opened = self._cipher.decrypt(decode_bytes(sealed.nonce), decode_bytes(sealed.ciphertext), bound_to)
        except (InvalidTag, ValueError) as error:
            raise MigrationError(SECRET_UNREADABLE, identifier=identifier) from error
        return opened.decode()


def _bound_to(account: str, identifier: str, version: int, key_id: str) -> bytes:
    return f"{account}\n{identifier}\n{version}\n{key_id}".encode()


def _read_or_make(key_file: Path) -> bytes:
    """Two replicas that start at once get one key: the link is made by the first of them only."""
    if not key_file.exists():
        made = key_file.with_name(f".{key_file.name}.{os.getpid()}")
        made.unlink(missing_ok=True)
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(made, key_file)
        made.unlink()
    key = key_file.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{key_file} is no key file of {_KEY_BYTES} bytes")
    return key
