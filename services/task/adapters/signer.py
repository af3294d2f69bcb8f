"""Signs the reports of verifications with the task service's key file."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.verification import VerificationDocument, sign_document
from shared.signing_key import read_or_make_signing_key


class ReportSigner:
    """The port Signer. The key is read, or made, with the first report."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._key: Ed25519PrivateKey | None = None

    def sign(self, document: VerificationDocument) -> VerificationDocument:
        """See Signer."""
        if self._key is None:
            self._key = read_or_make_signing_key(self._key_file)
        return sign_document(document, self._key)
