"""Authority keys sealed under the issuer's key file, and keys and serials of the system's randomness."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.errors import MigrationError
from contracts.errors.certificate_issuer import CERT_SEAL_BROKEN
from shared.sealing import KeyFileSeal, SealBrokenError


class FileSeal:
    """The Seal port: a private key as PKCS #8, sealed and bound to account and task."""

    def __init__(self, seal: KeyFileSeal) -> None:
        self._seal = seal

    @classmethod
    def open_or_create(cls, key_file: Path) -> FileSeal:
        """Read the key, or make one (mode 0600). Raises ValueError for a file that is no key."""
        return cls(KeyFileSeal.open_or_create(key_file))

    def seal(self, key: ec.EllipticCurvePrivateKey, *, account: str, task_id: str) -> str:
        """See Seal."""
        plain = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._seal.seal(plain, bound_to=_bound_to(account, task_id))

    def open(self, sealed: str, *, account: str, task_id: str) -> ec.EllipticCurvePrivateKey:
        """See Seal."""
        try:
            plain = self._seal.open(sealed, bound_to=_bound_to(account, task_id))
            key = serialization.load_der_private_key(plain, password=None)
        except (SealBrokenError, ValueError) as error:
            raise MigrationError(CERT_SEAL_BROKEN, task_id=task_id, key_file=self._seal.key_file) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise MigrationError(CERT_SEAL_BROKEN, task_id=task_id, key_file=self._seal.key_file)
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
