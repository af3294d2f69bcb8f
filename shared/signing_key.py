"""A key that signs: a file outside of the store, with its public part beside it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

PUBLIC_SUFFIX: Final = ".pub"


def read_or_make_signing_key(key_file: Path) -> Ed25519PrivateKey:
    """PEM (PKCS #8), mode 0600, made at the first start. ``<key file>.pub`` gets the public key as 64 hex digits.

    Raises ValueError for a file with anything else in it, OSError when it cannot be read or written.
    """
    if not key_file.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # Two replicas that start at once get one key: the link is made by the first of them only.
        made = _written(key_file.with_name(f".{key_file.name}.{os.getpid()}"), pem, mode=0o600)
        with suppress(FileExistsError):
            os.link(made, key_file)
        made.unlink()
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{key_file} holds no Ed25519 key")
    public = f"{key.public_key().public_bytes_raw().hex()}\n".encode()
    public_file = key_file.with_name(key_file.name + PUBLIC_SUFFIX)
    if not public_file.exists() or public_file.read_bytes() != public:
        _written(key_file.with_name(f".{public_file.name}.{os.getpid()}"), public, mode=0o644).replace(public_file)
    return key


def _written(path: Path, content: bytes, *, mode: int) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return path
