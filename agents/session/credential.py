"""What an agent was given for its first login."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from contracts.login import fresh_password, user_name


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An access key with its secret key, or a one-time token with its secret.

    account: the owner; it stands in the only subject that this login may use.
    """

    form: Literal["ak", "token"]
    identifier: str
    secret: str = field(repr=False)
    account: str = "default"

    @property
    def user_name(self) -> str:
        """The bus user."""
        return user_name(self.form, self.identifier)

    def password(self) -> str:
        """A fresh proof; it is good for one login."""
        return fresh_password(self.identifier, self.secret)
