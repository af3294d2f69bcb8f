"""Keys and passphrases of tasks whose agents speak HTTP: of the system's randomness, sealed under a key file."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts.errors import MigrationError
from contracts.errors.http_agent import KEY_UNREADABLE
from services.gateway.domain.agent_ports import NewKey
from shared.sealing import KeyFileSeal, SealBrokenError

_PASSPHRASE_BYTES: Final = 32


class SealedSecrets:
    """The port AgentSecrets."""

    def __init__(self, key_file: Path) -> None:
        self._seal = KeyFileSeal.open_or_create(key_file)

    def new_key(self, *, account: str, task_id: str) -> NewKey:
        """See AgentSecrets. The names are those that the issuer demands of a source."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [
            x509.DNSName(f"source.{task_id}.sms"),
            x509.UniformResourceIdentifier(f"sms://{account}/task/{task_id}/source"),
        ]
        builder = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"source.{task_id[:32]}.sms")])
        )
        request = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return NewKey(
            sealed_key=self._seal.seal(plain, bound_to=_bound_to(account, task_id)),
            csr_pem=request.public_bytes(serialization.Encoding.PEM).decode(),
        )

    def new_passphrase(self, *, account: str, task_id: str) -> str:
        """See AgentSecrets."""
        plain = secrets.token_urlsafe(_PASSPHRASE_BYTES).encode()
        return self._seal.seal(plain, bound_to=_bound_to(account, task_id))

    def open(self, sealed: str, *, account: str, task_id: str) -> str:
        """See AgentSecrets."""
        try:
            return self._seal.open(sealed, bound_to=_bound_to(account, task_id)).decode()
        except SealBrokenError as error:
            raise MigrationError(KEY_UNREADABLE, task_id=task_id, key_file=self._seal.key_file) from error


def _bound_to(account: str, task_id: str) -> bytes:
    # Both are subject tokens: the separator is in neither.
    return f"gateway\n{account}\n{task_id}".encode()
