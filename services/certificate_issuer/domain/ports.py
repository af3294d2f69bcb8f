"""What the issuer needs from outside: a seal for keys at rest, and fresh keys."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


class Seal(Protocol):
    """Encrypts with authentication under a key that the store does not hold."""

    def seal(self, key: EllipticCurvePrivateKey, *, account: str, task_id: str) -> str:
        """The sealed key as text; it opens for the same account and task only."""

    def open(self, sealed: str, *, account: str, task_id: str) -> EllipticCurvePrivateKey:
        """The key. Raises MigrationError SMS.CERT.SEAL_BROKEN."""


class Keys(Protocol):
    """Fresh randomness."""

    def new_key(self) -> EllipticCurvePrivateKey:
        """A key on P-256."""

    def new_serial(self) -> int:
        """A certificate serial: positive, at most 159 bits, unpredictable."""
