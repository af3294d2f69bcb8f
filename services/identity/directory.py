"""The store of accounts, users, groups and policies, with the look-ups that decisions need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from contracts.base import Model
from contracts.errors import MigrationError
from contracts.errors.access import UNKNOWN_GROUP, UNKNOWN_POLICY, UNKNOWN_USER
from services.identity.domain.directory import Account, Group, Policy, User, root_user, root_user_id
from shared.store.port import Collection, ConflictError, Scalar, Store, Unique
from shared.store.typed import Stored, TypedCollection

_M = TypeVar("_M", bound=Model)
_PAGE: Final = 500


def _named(name: str) -> Collection:
    """A kind of thing whose names are unique in an account, as far as it is not deleted."""
    rule = Unique(name="one_name", fields=("account", "name"), only_where={"is_deleted": False})
    return Collection(name=name, fields=("name", "is_deleted"), unique=(rule,))


DIRECTORY_COLLECTIONS: Final = (Collection(name="accounts"), _named("users"), _named("groups"), _named("policies"))


class Directory:
    """Typed access to who is who."""

    def __init__(self, store: Store) -> None:
        accounts, users, groups, policies = DIRECTORY_COLLECTIONS
        self.accounts = TypedCollection(store, accounts, Account)
        self.users = TypedCollection(store, users, User)
        self.groups = TypedCollection(store, groups, Group)
        self.policies = TypedCollection(store, policies, Policy)

    async def ensure_account(self, name: str, *, now: datetime) -> User:
        """The root user of an account, which both come into being with the first key of an account."""
        stored = await self.users.load(name, root_user_id(name))
        if stored is not None:
            return stored.value
        root = root_user(name, now=now)
        account = Account(name=name, created_at=now)
        try:
            root_record = self.users.record(name, root.id, root)
            await self.accounts.save(name, name, account, expected_version=0, also=[root_record])
        except ConflictError:
            return await self.ensure_account(name, now=now)  # another replica was first
        return root

    async def ensure_accounts(self, names: Iterable[str], *, now: datetime) -> None:
        """For keys that are older than accounts and users."""
        for name in names:
            await self.ensure_account(name, now=now)

    async def existing_user(self, account: str, user_id: str) -> Stored[User]:
        """Raises SMS.IDENTITY.UNKNOWN_USER, for another account's user as well."""
        stored = await self.users.load(account, user_id) if user_id else None
        if stored is None or stored.value.is_deleted:
            raise MigrationError(UNKNOWN_USER, user=user_id)
        return stored

    async def existing_group(self, account: str, group_id: str) -> Stored[Group]:
        """Raises SMS.IDENTITY.UNKNOWN_GROUP, for another account's group as well."""
        stored = await self.groups.load(account, group_id) if group_id else None
        if stored is None or stored.value.is_deleted:
            raise MigrationError(UNKNOWN_GROUP, group=group_id)
        return stored

    async def existing_policy(self, account: str, policy_id: str) -> Stored[Policy]:
        """One of the account's own. Raises SMS.IDENTITY.UNKNOWN_POLICY, for another account's policy as well."""
        stored = await self.policies.load(account, policy_id) if policy_id else None
        if stored is None or stored.value.is_deleted:
            raise MigrationError(UNKNOWN_POLICY, policy=policy_id)
        return stored

    async def groups_of(self, user: User) -> list[Group]:
        """The groups that still exist."""
        return await _existing(self.groups, user.account, user.group_ids)

    async def own_policies(self, account: str, identifiers: Iterable[str]) -> list[Policy]:
        """Of these policies the account's own that still exist."""
        return await _existing(self.policies, account, identifiers)

    async def every(
        self, collection: TypedCollection[_M], account: str, where: Mapping[str, Scalar] | None = None
    ) -> list[_M]:
        """All records of an account, in the order of their ids."""
        return [stored.value for stored in await self.every_stored(collection, account, where)]

    async def every_stored(
        self, collection: TypedCollection[_M], account: str, where: Mapping[str, Scalar] | None = None
    ) -> list[Stored[_M]]:
        """As `every`, with the versions."""
        found: list[Stored[_M]] = []
        after = ""
        while page := await collection.find(account, where, after=after, limit=_PAGE):
            found += page
            after = page[-1].id
        return found


_D = TypeVar("_D", Group, Policy)


async def _existing(collection: TypedCollection[_D], account: str, identifiers: Iterable[str]) -> list[_D]:
    found: list[_D] = []
    for identifier in identifiers:
        stored = await collection.load(account, identifier)
        if stored is not None and not stored.value.is_deleted:
            found.append(stored.value)
    return found
