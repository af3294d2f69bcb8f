"""Channels' secrets at rest."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import MigrationError
from contracts.errors.notification import SECRET_UNREADABLE
from shared.sealing import KeyFileSeal, SealBrokenError


class SecretSeal:
    """The Seal port: AES-256-GCM under the service's key file."""

    def __init__(self, key_file: Path) -> None:
        self._seal = KeyFileSeal.open_or_create(key_file)

    def seal(self, secret: str, *, account: str, channel_id: str) -> str:
        """See Seal."""
        return self._seal.seal(secret.encode(), bound_to=_bound_to(account, channel_id))

    def open(self, sealed: str, *, account: str, channel_id: str) -> str:
        """See Seal."""
        try:
            return self._seal.open(sealed, bound_to=_bound_to(account, channel_id)).decode()
        except SealBrokenError as error:
            raise MigrationError(SECRET_UNREADABLE, channel_id=channel_id) from error


def _bound_to(account: str, channel_id: str) -> bytes:
    return f"{account}\n{channel_id}".encode()
