"""Users, groups and policies are named on the command line; an id works as well."""

from __future__ import annotations

from cli.api import ApiClient
from contracts.errors import MigrationError
from contracts.errors.access import UNKNOWN_GROUP, UNKNOWN_POLICY, UNKNOWN_USER
from contracts.messages.policy import PolicyList, PolicyView
from contracts.messages.user import GroupList, GroupView, UserList, UserView

_ALL = 1000


async def find_user(api: ApiClient, name: str) -> UserView:
    """Raises SMS.IDENTITY.UNKNOWN_USER."""
    for query in ({"name": name}, {"limit": _ALL}):
        found = await api.get("/v3/users", UserList, **query)
        for user in found.users:
            if name in {user.name, user.id}:
                return user
    raise MigrationError(UNKNOWN_USER, user=name)


async def find_group(api: ApiClient, name: str) -> GroupView:
    """Raises SMS.IDENTITY.UNKNOWN_GROUP."""
    for query in ({"name": name}, {"limit": _ALL}):
        found = await api.get("/v3/groups", GroupList, **query)
        for group in found.groups:
            if name in {group.name, group.id}:
                return group
    raise MigrationError(UNKNOWN_GROUP, group=name)


async def find_policy(api: ApiClient, name: str) -> PolicyView:
    """Raises SMS.IDENTITY.UNKNOWN_POLICY."""
    for query in ({"name": name}, {"limit": _ALL}):
        found = await api.get("/v3/policies", PolicyList, **query)
        for policy in found.policies:
            if name in {policy.name, policy.id}:
                return policy
    raise MigrationError(UNKNOWN_POLICY, policy=name)
