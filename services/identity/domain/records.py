"""What identity remembers. Secrets stand in it sealed only."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from contracts.base import Model
from contracts.login import LoginForm
from contracts.messages.agent import AgentRole

_PLACES: Final = ("first", "second")
# The key that the installation itself was made with; it takes none of the root user's two places.
INSTALLATION_PLACE: Final = "installation"


def places_of(user_id: str, *, is_root: bool) -> tuple[str, ...]:
    """The two places for active keys of a user: one can be replaced while the other still works.

    Each is taken at most once in an account, whoever asks at the same moment.
    """
    return _PLACES if is_root else tuple(f"{user_id}/{place}" for place in _PLACES)


class SealedSecret(Model):
    """AES-256-GCM. key_id: of the key file that it was sealed with. nonce and ciphertext: base64url."""

    key_id: str
    nonce: str
    ciphertext: str


class Credential(Model):
    """An access key with its secret key. secret_version is part of what the seal binds.

    user_id: "" is the account's root user, as of keys that are older than users. place: what `places_of` says.
    A deleted key stays without its secret, so that a repeated request cannot make it anew.
    """

    account: str
    access_key: str
    place: str
    secret: SealedSecret
    secret_version: int = 1
    is_active: bool = True
    is_deleted: bool = False
    created_at: datetime
    description: str = ""
    user_id: str = ""


class KeyUse(Model):
    """When an access key was last used, to a minute."""

    last_used_at: datetime


class Token(Model):
    """A one-time enrolment token of a helper.

    agent_id: whom the login will be. used_by: the public key that it was spent on, "" before; the same key may
    ask again, since the first reply may have been lost.
    """

    account: str
    token_id: str
    request_id: str
    task_id: str
    agent_id: str
    role: AgentRole = "target"
    secret: SealedSecret
    secret_version: int = 1
    expires_at: datetime
    used_by: str = ""
    is_void: bool = False


class Agent(Model):
    """An agent id with the key bound to it. credential_id: the access key or token of its last enrolment.

    refused_until: logins are refused before it; is_refused: for good.
    """

    account: str
    agent_id: str
    public_key: str
    role: AgentRole
    credential_form: LoginForm
    credential_id: str
    task_id: str = ""
    hostname: str = ""
    fingerprint: dict[str, str] = {}
    enrolled_at: datetime
    refused_until: datetime | None = None
    is_refused: bool = False
    refusal_reason: str = ""

    def is_refused_at(self, now: datetime) -> bool:
        """Whether a login at this time is refused."""
        return self.is_refused or (self.refused_until is not None and now < self.refused_until)
