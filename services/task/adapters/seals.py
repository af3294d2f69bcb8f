"""Target passwords at rest: sealed under the task service's key file."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import MigrationError
from contracts.errors.template import TEMPLATE_SECRET_UNREADABLE
from shared.sealing import KeyFileSeal, SealBrokenError


class PasswordSeal:
    """The port Seal. The key file is opened, or made, with the first password: an installation without any has
    none."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._opened: KeyFileSeal | None = None

    def seal(self, secret: str, *, account: str, template_id: str) -> str:
        """See Seal."""
        return self._seal().seal(secret.encode(), bound_to=_bound_to(account, template_id)) if secret else ""

    def open(self, sealed: str, *, account: str, template_id: str) -> str:
        """See Seal."""
        if not sealed:
            return ""
        try:
            return self._seal().open(sealed, bound_to=_bound_to(account, template_id)).decode()
        except SealBrokenError as error:
            raise MigrationError(
                TEMPLATE_SECRET_UNREADABLE, template_id=template_id, key_file=self._key_file
            ) from error

    def _seal(self) -> KeyFileSeal:
        if self._opened is None:
            self._opened = KeyFileSeal.open_or_create(self._key_file)
        return self._opened


def _bound_to(account: str, template_id: str) -> bytes:
    # Both are subject tokens: the separator is in neither.
    return f"task\n{account}\ntemplate\n{template_id}".encode()
