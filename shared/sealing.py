"""Secrets at rest: AES-256-GCM under a key file that lies outside of the store."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SealBrokenError(Exception):
    """The sealed text was changed, belongs to another record, or was sealed under another key."""


class KeyFileSeal:
    """Seals with the key of one file, base64, mode 0600. A sealed text is base64 of nonce and ciphertext; what it is
    bound to is authenticated with it, so that it cannot be moved to another record."""

    def __init__(self, key: bytes, key_file: Path) -> None:
        self._cipher = AESGCM(key)
        self.key_file = key_file

    @classmethod
    def open_or_create(cls, key_file: Path) -> KeyFileSeal:
        """Read the key, or make one. Raises ValueError for a file that is no key."""
        if not key_file.exists():
            _create(key_file)
        try:
            key = base64.b64decode(key_file.read_text(encoding="ascii").strip(), validate=True)
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{key_file} is not a sealing key") from error
        if len(key) != _KEY_BYTES:
            raise ValueError(f"{key_file} holds {len(key)} bytes; a sealing key has {_KEY_BYTES}")
        return cls(key, key_file)

    def seal(self, plain: bytes, *, bound_to: bytes) -> str:
        """A text that only this key opens, and only for what it is bound to."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, bound_to)).decode()

    def open(self, sealed: str, *, bound_to: bytes) -> bytes:
        """Raises SealBrokenError."""
        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(f"sealed under another key than that of {self.key_file}, or changed") from error


def _create(key_file: Path) -> None:
    key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = key_file.with_name(f"{key_file.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    # A link, unlike a rename, fails when another replica was faster: its key is the one.
    with contextlib.suppress(FileExistsError):
        os.link(new, key_file)
    new.unlink()
