"""What a checkpoint's signature covers, and whether it is genuine."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.messages.checkpoint import Checkpoint
from contracts.trace.chain import canonical_json

_CONTEXT: Final = "sms-trace-checkpoint-v1"
_SIGNATURE: Final = frozenset({"signature"})
_KEY_ID_DIGITS: Final = 16


def key_id_of(public_key: Ed25519PublicKey) -> str:
    """A short name of a key: the beginning of the SHA-256 of its 32 bytes, hex."""
    return hashlib.sha256(public_key.public_bytes_raw()).hexdigest()[:_KEY_ID_DIGITS]


def read_public_key(text: str) -> Ed25519PublicKey:
    """text: 64 hex digits. Raises ValueError for anything else."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text.strip()))


def signed_text(checkpoint: Checkpoint) -> bytes:
    """The bytes under the signature: a context that no other signature of SMS has, a line feed, canonical JSON."""
    return f"{_CONTEXT}\n{canonical_json(checkpoint, exclude=_SIGNATURE)}".encode()


def hash_of_checkpoint(checkpoint: Checkpoint) -> str:
    """What the next checkpoint names as its previous one, hex."""
    return hashlib.sha256(signed_text(checkpoint)).hexdigest()


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> Checkpoint:
    """The checkpoint with key_id and signature of this key."""
    named = checkpoint.model_copy(update={"key_id": key_id_of(key.public_key()), "signature": ""})
    return named.model_copy(update={"signature": key.sign(signed_text(named)).hex()})


def is_genuine(checkpoint: Checkpoint, public_key: Ed25519PublicKey) -> bool:
    """Whether this key has signed exactly this checkpoint."""
    try:
        signature = bytes.fromhex(checkpoint.signature)
        public_key.verify(signature, signed_text(checkpoint))
    except (InvalidSignature, ValueError):
        return False
    # Another spelling of the same signature (upper case, blanks) is an edit too.
    return checkpoint.signature == signature.hex() and checkpoint.key_id == key_id_of(public_key)
