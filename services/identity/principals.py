"""Whom an access key stands for, with his policies: read from the store, and kept for a moment."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contracts.errors import MigrationError
from services.identity.directory import Directory
from services.identity.domain.decisions import NamedPolicy
from services.identity.domain.directory import User, root_user_id
from services.identity.domain.ports import Seal
from services.identity.domain.records import Credential
from services.identity.domain.system_policies import named
from services.identity.records import IdentityRecords

# Changes made here are seen at once; those of another replica within this time (the promise is 5 s).
CACHE_S: Final = 2.0
_MOST_CACHED: Final = 4096
_NOBODY: Final = "-"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An active key's user. secret: opened; it never leaves this process."""

    credential: Credential
    secret: str
    user: User
    policies: tuple[NamedPolicy, ...]

    def __repr__(self) -> str:
        return f"Principal({self.credential.access_key})"


class Principals:
    """Reads principals. Only what was asked for with a genuine signature is kept: see `Authorizer`."""

    def __init__(
        self,
        records: IdentityRecords,
        directory: Directory,
        seal: Seal,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = records
        self._directory = directory
        self._seal = seal
        self._monotonic = monotonic
        self._cached: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self._generation = 0
        self._anything = seal.seal("0", account=_NOBODY, identifier=_NOBODY, version=0)

    def cached(self, access_key: str) -> Principal | None:
        """What was read less than `CACHE_S` ago."""
        entry = self._cached.get(access_key)
        if entry is None or self._monotonic() - entry[0] > CACHE_S:
            return None
        return entry[1]

    def forget_account(self, account: str) -> None:
        """Something in this account has changed: what is being read at this moment is not kept either."""
        self._generation += 1
        for key in [key for key, (_, who) in self._cached.items() if who.credential.account == account]:
            del self._cached[key]

    async def secret(self, access_key: str) -> tuple[Credential | None, str]:
        """One look-up and one opened seal, for known and unknown keys alike."""
        stored = await self._records.credential(access_key)
        if stored is None:
            return None, self._open_any()
        known = stored.value
        try:
            secret = self._seal.open(
                known.secret, account=known.account, identifier=known.access_key, version=known.secret_version
            )
        except MigrationError:
            return None, ""
        return known, secret

    async def principal(self, credential: Credential, secret: str) -> Principal | None:
        """The user of a genuine key, kept for the next request; None unless key, user and account are active."""
        generation, read_at = self._generation, self._monotonic()
        found = await self.read(credential, secret)
        if found is not None and generation == self._generation:
            self._cached[credential.access_key] = (read_at, found)
            self._cached.move_to_end(credential.access_key)
            while len(self._cached) > _MOST_CACHED:
                self._cached.popitem(last=False)
        return found

    async def read(self, credential: Credential, secret: str = "") -> Principal | None:
        """As `principal`, from the store and kept nowhere."""
        user_id = credential.user_id or root_user_id(credential.account)
        user = await self._directory.users.load(credential.account, user_id)
        if not credential.is_active or not await self.is_account_enabled(credential.account):
            return None
        if user is None or not user.value.is_active:
            return None
        policies = () if user.value.is_root else await self.policies_of(user.value)
        return Principal(credential=credential, secret=secret, user=user.value, policies=policies)

    async def is_account_enabled(self, account: str) -> bool:
        """An account that has never had a key, only helpers' tokens, has no record; its users are looked for anyway."""
        stored = await self._directory.accounts.load(account, account)
        return stored is None or stored.value.is_enabled

    async def policies_of(self, user: User) -> tuple[NamedPolicy, ...]:
        """The user's own policies and those of his groups, each once."""
        groups = await self._directory.groups_of(user)
        identifiers = dict.fromkeys([*user.policy_ids, *(one for group in groups for one in group.policy_ids)])
        own = await self._directory.own_policies(user.account, [one for one in identifiers if named(one) is None])
        system = [policy for policy in map(named, identifiers) if policy is not None]
        return (*system, *(NamedPolicy(name=policy.name, document=policy.document) for policy in own))

    def _open_any(self) -> str:
        return self._seal.open(self._anything, account=_NOBODY, identifier=_NOBODY, version=0)
