"""AES-256-GCM under a key file, and keys and serials of the system's randomness."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.errors import MigrationError
from contracts.errors.certificate_issuer import CERT_SEAL_BROKEN

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class FileSeal:
    """The Seal port. A sealed text is base64 of nonce and ciphertext; account and task are authenticated too."""

    def __init__(self, key: bytes, key_file: Path) -> None:
        self._cipher = AESGCM(key)
        self._key_file = key_file

    @classmethod
    def open_or_create(cls, key_file: Path) -> FileSeal:
        """Read the key, or make one (mode 0600). Raises ValueError for a file that is no key."""
        if not key_file.exists():
            _create(key_file)
        try:
            key = base64.b64decode(key_file.read_text(encoding="ascii").strip(), validate=True)
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{key_file} is not a sealing key") from error
        if len(key) != _KEY_BYTES:
            raise ValueError(f"{key_file} holds {len(key)} bytes; a sealing key has {_KEY_BYTES}")
        return cls(key, key_file)

    def seal(self, key: ec.EllipticCurvePrivateKey, *, account: str, task_id: str) -> str:
        """See Seal."""
        plain = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, _bound_to(account, task_id))).decode()

    def open(self, sealed: str, *, account: str, task_id: str) -> ec.EllipticCurvePrivateKey:
        """See Seal."""
        try:
            data = base64.b64decode(sealed, validate=True)
            plain = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(account, task_id))
            key = serialization.load_der_private_key(plain, password=None)
        except (InvalidTag, ValueError) as error:
            raise MigrationError(CERT_SEAL_BROKEN, task_id=task_id, key_file=self._key_file) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise MigrationError(CERT_SEAL_BROKEN, task_id=task_id, key_file=self._key_file)
        return key


class SystemKeys:
    """The Keys port."""

    def new_key(self) -> ec.EllipticCurvePrivateKey:
        """See Keys."""
        return ec.generate_private_key(ec.SECP256R1())

    def new_serial(self) -> int:
        """See Keys."""
        return x509.random_serial_number()


def _bound_to(account: str, task_id: str) -> bytes:
    # Both are subject tokens: the separator is in neither.
    return f"certificate_issuer\n{account}\n{task_id}".encode()


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
