"""Makes a change of access hold at once: what is remembered is forgotten, what may no longer live is cut."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.login import user_name
from services.identity.authorizer import decide_for
from services.identity.directory import Directory
from services.identity.domain.ports import ConnectionCutter
from services.identity.domain.records import Credential
from services.identity.logins import SUBSCRIBE
from services.identity.principals import Principals
from services.identity.records import IdentityRecords


class Revocations:
    """Called after the commit of every change of who may do what."""

    def __init__(
        self, records: IdentityRecords, directory: Directory, principals: Principals, cutter: ConnectionCutter
    ) -> None:
        self._records = records
        self._directory = directory
        self._principals = principals
        self._cutter = cutter

    async def enforce_account(self, account: str) -> None:
        """After an account was changed. Raises SMS.BUS.UNAVAILABLE when connections cannot be cut, as do the others."""
        self._principals.forget_account(account)
        names: list[str] = []
        for credential in await self._directory.every(self._records.credentials, account, {"is_active": True}):
            names += await self._names_to_cut(credential)
        if not await self._principals.is_account_enabled(account):
            agents = await self._directory.every(self._records.agents, account)
            names += [user_name("agent", agent.agent_id) for agent in agents]
        await self._cutter.cut(dict.fromkeys(names))

    async def enforce_users(self, account: str, user_ids: Iterable[str]) -> None:
        """After something was changed for these users."""
        self._principals.forget_account(account)
        names: list[str] = []
        for user_id in user_ids:
            for credential in await self._directory.every(self._records.credentials, account, {"user_id": user_id}):
                names += await self._names_to_cut(credential) if credential.is_active else []
        await self._cutter.cut(names)

    async def enforce_group(self, account: str, group_id: str) -> None:
        """After something was changed for the members of this group."""
        users = await self._directory.every(self._directory.users, account, {"is_deleted": False})
        await self.enforce_users(account, [user.id for user in users if group_id in user.group_ids])

    async def enforce_policy(self, account: str, policy_id: str) -> None:
        """After this policy was changed or deleted."""
        groups = await self._directory.every(self._directory.groups, account, {"is_deleted": False})
        holders = {group.id for group in groups if policy_id in group.policy_ids}
        users = await self._directory.every(self._directory.users, account, {"is_deleted": False})
        concerned = [user for user in users if policy_id in user.policy_ids or not holders.isdisjoint(user.group_ids)]
        await self.enforce_users(account, [user.id for user in concerned])

    def forget(self, account: str) -> None:
        """When something was only added: nothing needs to be cut."""
        self._principals.forget_account(account)

    async def enforce_key(self, credential: Credential) -> None:
        """As `enforce`, for one key."""
        self._principals.forget_account(credential.account)
        await self._cutter.cut(await self._names_to_cut(credential))

    async def _names_to_cut(self, credential: Credential) -> list[str]:
        principal = await self._principals.read(credential)
        events = user_name("events", credential.access_key)
        if principal is None:
            agents = await self._records.agents_enrolled_by(credential.account, credential.access_key)
            enrolled = (user_name("agent", agent.agent_id) for agent in agents)
            return [user_name("ak", credential.access_key), events, *enrolled]
        return [] if decide_for(principal, SUBSCRIBE).is_allowed else [events]
