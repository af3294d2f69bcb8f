"""Identity's collections, and the look-ups by keys that are unique over all accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

from contracts.base import Model
from services.identity.domain.records import Agent, Credential, KeyUse, Token
from shared.store.port import Collection, ConflictError, Scalar, Store, Unique
from shared.store.typed import Stored, TypedCollection

_M = TypeVar("_M", bound=Model)

# Twice the window of a login's time: a proof is refused by its time before its nonce is forgotten.
_NONCE_KEPT: Final = timedelta(seconds=600)
# A provisioner that repeats its request after days still gets the agent id of the first time.
_TOKEN_KEPT: Final = timedelta(days=7)

COLLECTIONS: Final = (
    Collection(
        name="credentials",
        fields=("access_key", "is_active", "user_id"),
        # Two active keys for rotation: each takes one of two places, whoever asks at the same moment.
        unique=(Unique(name="active_place", fields=("account", "place"), only_where={"is_active": True}),),
    ),
    Collection(
        name="tokens",
        fields=("token_id", "request_id", "is_void"),
        unique=(Unique(name="one_token", fields=("account", "request_id"), only_where={"is_void": False}),),
    ),
    Collection(
        name="agents",
        fields=("agent_id", "credential_id", "public_key"),
        unique=(Unique(name="one_agent_per_key", fields=("account", "public_key")),),
    ),
    Collection(name="nonces"),
    Collection(name="denials"),
    Collection(name="key_uses"),
)


class UsedNonce(Model):
    """A login that was accepted once."""

    expires_at: datetime


class DenialCount(Model):
    """How many logins were denied; each change carries the records for the trace."""

    denials: int = 0


class IdentityRecords:
    """Typed access to everything that identity stores."""

    def __init__(self, store: Store) -> None:
        self.credentials = TypedCollection(store, COLLECTIONS[0], Credential)
        self.tokens = TypedCollection(store, COLLECTIONS[1], Token)
        self.agents = TypedCollection(store, COLLECTIONS[2], Agent)
        self._nonces = TypedCollection(store, COLLECTIONS[3], UsedNonce)
        self.denials = TypedCollection(store, COLLECTIONS[4], DenialCount)
        self.key_uses = TypedCollection(store, COLLECTIONS[5], KeyUse)

    async def credential(self, access_key: str) -> Stored[Credential] | None:
        """By access key, which names its account."""
        return await _first(self.credentials, {"access_key": access_key})

    async def accounts_with_keys(self) -> set[str]:
        """The accounts that have ever had an access key."""
        return {stored.account async for stored in self.credentials.find_all_accounts()}

    async def token(self, token_id: str) -> Stored[Token] | None:
        """By the token's id, which names its account."""
        return await _first(self.tokens, {"token_id": token_id})

    async def agent(self, agent_id: str) -> Stored[Agent] | None:
        """By the agent's id, which names its account."""
        return await _first(self.agents, {"agent_id": agent_id})

    async def agents_enrolled_by(self, account: str, credential_id: str) -> list[Agent]:
        """All agents whose last enrolment was with this access key or token."""
        found: list[Agent] = []
        after = ""
        while page := await self.agents.find(account, {"credential_id": credential_id}, after=after, limit=500):
            found += [stored.value for stored in page]
            after = page[-1].id
        return found

    async def use_nonce(self, account: str, nonce_id: str, *, now: datetime) -> bool:
        """Remember an accepted login; False when it was used before, here or in another replica."""
        try:
            await self._nonces.save(account, nonce_id, UsedNonce(expires_at=now + _NONCE_KEPT), expected_version=0)
        except ConflictError:
            return False
        return True

    async def forget_nonces(self, *, now: datetime) -> int:
        """Remove what expired; returns how many."""
        expired = [stored async for stored in self._nonces.find_all_accounts() if stored.value.expires_at < now]
        for stored in expired:
            await self._nonces.delete(stored.account, stored.id, expected_version=stored.version)
        return len(expired)

    async def forget_tokens(self, *, now: datetime) -> int:
        """Remove tokens, with their sealed secrets, that expired a week ago; the agents stay."""
        limit = now - _TOKEN_KEPT
        expired = [stored async for stored in self.tokens.find_all_accounts() if stored.value.expires_at < limit]
        for stored in expired:
            await self.tokens.delete(stored.account, stored.id, expected_version=stored.version)
        return len(expired)


async def _first(collection: TypedCollection[_M], where: Mapping[str, Scalar]) -> Stored[_M] | None:
    async for stored in collection.find_all_accounts(where):
        return stored
    return None
