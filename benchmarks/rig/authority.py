"""Certificates of a throw-away task authority, made as the certificate issuer makes them."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.base import Model
from contracts.messages.agent import AgentRole
from services.certificate_issuer.domain.issuing import issue_leaf, make_authority

_ACCOUNT = "benchmark"


class Credentials(Model):
    """PEM texts of one end of the channel."""

    certificate: str
    key: str
    authority: str


class Authority:
    """One task's authority; its key is never written down."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = make_authority(
            self._key,
            account=_ACCOUNT,
            task_id=task_id,
            serial=x509.random_serial_number(),
            now=datetime.now(UTC),
        )

    def issue(self, role: AgentRole) -> Credentials:
        """A new key and its certificate, good for an hour."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = issue_leaf(
            self._certificate,
            self._key,
            key.public_key(),
            account=_ACCOUNT,
            task_id=self._task_id,
            role=role,
            request_id="benchmark",
            csr_pem="",
            serial=x509.random_serial_number(),
            now=datetime.now(UTC),
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Credentials(certificate=issued.certificate_pem, key=pem.decode(), authority=self._certificate)
