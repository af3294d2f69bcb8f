"""A verification as a document that can be kept, and checked without the service that has signed it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.base import Model
from contracts.trace.chain import canonical_json
from contracts.trace.checkpoint import key_id_of
from contracts.transfer import SkippedPath, VerificationReport

_CONTEXT: Final = "sms-verification-v1"
_SIGNATURE: Final = frozenset({"signature"})


class VerificationDocument(Model):
    """What was compared, with what, and what was found. round_number: of the round that the source was read in.

    volumes: the mount points of the file systems that were compared. exclusions: everything of the source that was not
    compared, by name, with the reason; files_skipped of the last round are more when the list was cut. public_key: 64
    hex digits, of the key that signed; who trusts the document compares it with the installation's. signature: hex.
    """

    task_id: str
    account: str
    server_id: str
    server_name: str = ""
    round_number: int = 0
    verified_at: datetime
    volumes: tuple[str, ...] = ()
    exclusions: tuple[SkippedPath, ...] = ()
    files_skipped: int = 0
    report: VerificationReport
    public_key: str = ""
    key_id: str = ""
    signature: str = ""


def signed_text(document: VerificationDocument) -> bytes:
    """The bytes under the signature: a context that no other signature of SMS has, a line feed, canonical JSON."""
    return f"{_CONTEXT}\n{canonical_json(document, exclude=_SIGNATURE)}".encode("utf-8", "surrogatepass")


def sign_document(document: VerificationDocument, key: Ed25519PrivateKey) -> VerificationDocument:
    """The document with key and signature."""
    public_key = key.public_key()
    named = document.model_copy(
        update={"public_key": public_key.public_bytes_raw().hex(), "key_id": key_id_of(public_key), "signature": ""}
    )
    return named.model_copy(update={"signature": key.sign(signed_text(named)).hex()})


def is_genuine(document: VerificationDocument, public_key: Ed25519PublicKey) -> bool:
    """Whether this key has signed exactly this document."""
    try:
        signature = bytes.fromhex(document.signature)
        public_key.verify(signature, signed_text(document))
    except (InvalidSignature, ValueError):
        return False
    # Another spelling of the same signature, or another key's name beside it, is an edit too.
    return document.signature == signature.hex() and document.public_key == public_key.public_bytes_raw().hex()
