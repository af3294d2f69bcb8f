"""What identity shows of accounts, users, groups and policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from contracts.messages.account import AccountView
from contracts.messages.policy import PolicyView
from contracts.messages.user import GroupReference, GroupView, PolicyReference, UserReference, UserView
from services.identity.directory import Directory
from services.identity.domain.directory import Account, Group, Policy, User
from services.identity.domain.system_policies import SYSTEM_POLICIES, SystemPolicy


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


def page(things: Sequence[_N], name: str, *, offset: int, limit: int) -> tuple[int, list[_N]]:
    """(how many there are, those of the page), in the order of their names."""
    chosen = sorted((thing for thing in things if name in {"", thing.name}), key=lambda thing: thing.name)
    return len(chosen), chosen[offset : offset + limit]


def account_view(account: Account) -> AccountView:
    """As the installation's administrators and the account itself see it."""
    return AccountView.model_validate(account.model_dump())


def system_policy_view(policy: SystemPolicy) -> PolicyView:
    """A policy of the system."""
    return PolicyView(
        id=policy.id, name=policy.name, is_system=True, description=policy.description, document=policy.document
    )


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names in an account, read once for a whole page."""

    users: tuple[User, ...]
    groups: dict[str, Group]
    policies: dict[str, Policy]

    @classmethod
    async def of(cls, directory: Directory, account: str) -> Names:
        """All that are not deleted."""
        existing = {"is_deleted": False}
        return cls(
            users=tuple(await directory.every(directory.users, account, existing)),
            groups={group.id: group for group in await directory.every(directory.groups, account, existing)},
            policies={policy.id: policy for policy in await directory.every(directory.policies, account, existing)},
        )

    def user(self, user: User) -> UserView:
        """With the names of the user's groups and policies."""
        groups = [self.groups[one] for one in user.group_ids if one in self.groups]
        return UserView(
            id=user.id,
            name=user.name,
            is_root=user.is_root,
            is_enabled=user.is_enabled,
            description=user.description,
            groups=tuple(GroupReference(id=group.id, name=group.name) for group in groups),
            policies=self._policies(user.policy_ids),
            created_at=user.created_at,
        )

    def group(self, group: Group, *, with_users: bool) -> GroupView:
        """with_users: with the names of its members."""
        members = [user for user in self.users if group.id in user.group_ids] if with_users else []
        return GroupView(
            id=group.id,
            name=group.name,
            description=group.description,
            policies=self._policies(group.policy_ids),
            users=tuple(UserReference(id=user.id, name=user.name) for user in members),
            created_at=group.created_at,
        )

    def policy(self, policy: Policy) -> PolicyView:
        """A policy of the account's own, without whom it is attached to."""
        return PolicyView(
            id=policy.id,
            name=policy.name,
            description=policy.description,
            document=policy.document,
            created_at=policy.created_at,
            changed_at=policy.changed_at,
        )

    def with_holders(self, view: PolicyView) -> PolicyView:
        """With whom it is attached to."""
        users = (user for user in self.users if view.id in user.policy_ids)
        groups = (group for group in self.groups.values() if view.id in group.policy_ids)
        return view.model_copy(
            update={
                "users": tuple(UserReference(id=user.id, name=user.name) for user in users),
                "groups": tuple(GroupReference(id=group.id, name=group.name) for group in groups),
            }
        )

    def _policies(self, identifiers: Sequence[str]) -> tuple[PolicyReference, ...]:
        known = [SYSTEM_POLICIES.get(one) or self.policies.get(one) for one in identifiers]
        return tuple(PolicyReference(id=policy.id, name=policy.name) for policy in known if policy is not None)
