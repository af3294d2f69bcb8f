"""The text form of Ed25519 keys on the bus (nkeys): a type byte, the key and a CRC-16, in base32."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

USER: Final = 20 << 3
ACCOUNT: Final = 0
_SEED: Final = 18 << 3
_KEY_BYTES: Final = 32


def public_text(key: Ed25519PublicKey, *, prefix: int) -> str:
    """A public key, for example ``U…`` for a user."""
    return _encode(bytes([prefix]) + key.public_bytes_raw())


def read_public(text: str, *, prefix: int) -> Ed25519PublicKey:
    """The key behind a public text. Raises ValueError for another type, a typing error or anything else."""
    raw = _decode(text)
    if len(raw) != 1 + _KEY_BYTES or raw[0] != prefix:
        raise ValueError("not a public key of this type")
    return Ed25519PublicKey.from_public_bytes(raw[1:])


def seed_text(key: Ed25519PrivateKey, *, prefix: int) -> str:
    """The secret seed (``S…``), for a file of mode 0600."""
    return _encode(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]) + key.private_bytes_raw())


def read_seed(text: str, *, prefix: int) -> Ed25519PrivateKey:
    """The key behind a seed. Raises ValueError for anything that is not a seed of this type."""
    raw = _decode(text)
    if len(raw) != 2 + _KEY_BYTES or raw[0] & 0xF8 != _SEED or ((raw[0] & 7) << 5 | raw[1] >> 3) != prefix:
        raise ValueError("not a seed of this type")
    return Ed25519PrivateKey.from_private_bytes(raw[2:])


def _encode(raw: bytes) -> str:
    checked = raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(checked).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Raises ValueError without repeating the text, which may be secret."""
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))[:-2]
    except (binascii.Error, ValueError):
        raise ValueError("not an nkey") from None
    # The bits after the checksum are in the last letter, too: four letters would do where one is right.
    if _encode(raw) != text:
        raise ValueError("not an nkey: wrong checksum")
    return raw
